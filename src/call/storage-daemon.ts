/**
 * A run of qemu-storage-daemon, as an argument vector for `execve`. It stays in the foreground: who executes a plan starts it, does not
 * wait for its end, and talks to the socket that it names.
 *
 * @since 0.2.0
 */
export interface StorageDaemonCall {
  readonly argv: readonly ['qemu-storage-daemon', ...ReadonlyArray<string>]
}
