/**
 * The programs of the host that plans run besides those of QEMU. None of them knows of QEMU's locks: they copy and replace what a
 * guest has open, and say nothing.
 *
 * @since 0.2.0
 */
export type HostProgram =
  'lvcreate' | 'lvs' | 'lvchange' | 'lvextend' | 'lvconvert' | 'lvremove' | 'btrfs' | 'cp' | 'sync' | 'mv'

/**
 * A run of a program of the host, as an argument vector for `execve`. It has been done once the program has ended with status 0.
 *
 * @since 0.2.0
 */
export interface HostCall {
  readonly argv: readonly [HostProgram, ...ReadonlyArray<string>]
}

/**
 * Something that somebody else has to do, a storage array say, and that has to be done before the next step.
 *
 * - `task`: `take` a snapshot of this name of what is at `path`, `delete` it, or have what is at `path` be as it was then.
 *
 * @since 0.2.0
 */
export interface HandOverCall {
  readonly level: string
  readonly task: 'take' | 'delete' | 'revert'
  readonly disk: string
  readonly snapshot: string
  readonly path: string
}

/** The programs, to tell them from others. */
export const hostPrograms: ReadonlyArray<HostProgram> = [
  'lvcreate',
  'lvs',
  'lvchange',
  'lvextend',
  'lvconvert',
  'lvremove',
  'btrfs',
  'cp',
  'sync',
  'mv',
]
