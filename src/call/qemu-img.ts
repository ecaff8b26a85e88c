/**
 * One run of `qemu-img`: an argument vector for `execve`, never a shell string. `argv[0]` is `qemu-img`. It has ended well
 * when it exits with 0.
 *
 * @since 0.1.0
 */
export interface QemuImgCall {
  readonly argv: readonly ['qemu-img', ...ReadonlyArray<string>]
}
