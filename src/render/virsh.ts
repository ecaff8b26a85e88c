import type { LibvirtCall, LibvirtFlag } from '../call/libvirt.js'
import { xmlText } from '../model/xml.js'
import { shellWord, shellWords } from './word.js'

/**
 * A run of `virsh`: its argument vector, and what it reads on standard input.
 *
 * @since 0.1.0
 */
export interface VirshCommand {
  readonly argv: readonly ['virsh', ...ReadonlyArray<string>]
  readonly stdin?: string
}

/** How virsh 11.3 spells each flag; a flag that a command does not know makes virsh refuse, as libvirt would. */
const options: { readonly [F in LibvirtFlag]: ReadonlyArray<string> } = {
  VIR_DOMAIN_BLOCK_COMMIT_SHALLOW: ['--shallow'],
  VIR_DOMAIN_BLOCK_COMMIT_DELETE: ['--delete'],
  VIR_DOMAIN_BLOCK_COMMIT_ACTIVE: ['--active'],
  VIR_DOMAIN_BLOCK_COMMIT_RELATIVE: ['--keep-relative'],
  VIR_DOMAIN_BLOCK_REBASE_SHALLOW: ['--shallow'],
  VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT: ['--reuse-external'],
  VIR_DOMAIN_BLOCK_REBASE_COPY_RAW: ['--format', 'raw'],
  VIR_DOMAIN_BLOCK_REBASE_COPY: [],
  VIR_DOMAIN_BLOCK_REBASE_RELATIVE: ['--keep-relative'],
  VIR_DOMAIN_BLOCK_REBASE_COPY_DEV: ['--blockdev'],
  VIR_DOMAIN_BLOCK_COPY_SHALLOW: ['--shallow'],
  VIR_DOMAIN_BLOCK_COPY_REUSE_EXT: ['--reuse-external'],
  VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB: ['--transient-job'],
  VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC: ['--async'],
  VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT: ['--pivot'],
  VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE: ['--redefine'],
  VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT: ['--current'],
  VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA: ['--no-metadata'],
  VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY: ['--disk-only'],
  VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT: ['--reuse-external'],
  VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC: ['--atomic'],
  VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE: ['--quiesce'],
  VIR_DOMAIN_SNAPSHOT_CREATE_LIVE: ['--live'],
  VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN: ['--children'],
  VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY: ['--metadata'],
  VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY: ['--children-only'],
  VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING: ['--running'],
  VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED: ['--paused'],
  VIR_DOMAIN_SNAPSHOT_REVERT_FORCE: ['--force'],
  VIR_DOMAIN_DESTROY_GRACEFUL: ['--graceful'],
  VIR_DOMAIN_START_PAUSED: ['--paused'],
  VIR_DOMAIN_START_FORCE_BOOT: ['--force-boot'],
  VIR_DOMAIN_SAVE_BYPASS_CACHE: ['--bypass-cache'],
  VIR_DOMAIN_SAVE_RUNNING: ['--running'],
  VIR_DOMAIN_SAVE_PAUSED: ['--paused'],
  VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL: ['--reuse-external'],
  VIR_DOMAIN_XML_INACTIVE: ['--inactive'],
  VIR_DOMAIN_AFFECT_CONFIG: ['--config'],
}

const flagOptions = (call: LibvirtCall): ReadonlyArray<string> => {
  const flags: ReadonlyArray<LibvirtFlag> = call.flags
  return flags.flatMap((flag) => options[flag])
}

/** A value by its place, or after its option where a leading dash would make it an option itself. */
const placed = (option: string, value: string): ReadonlyArray<string> =>
  value.startsWith('-') ? [option, value] : [value]

const onDomain = (of: { readonly domain: string }): ReadonlyArray<string> => placed('--domain', of.domain)

const onDisk = (of: { readonly domain: string; readonly disk: string }): ReadonlyArray<string> => [
  ...onDomain(of),
  ...placed('--path', of.disk),
]

const onSnapshot = (of: { readonly domain: string; readonly snapshot: string }): ReadonlyArray<string> => [
  ...onDomain(of),
  ...placed('--snapshotname', of.snapshot),
]

const standardInput = '/dev/stdin'

const option = (name: string, value: string | null): ReadonlyArray<string> => (value === null ? [] : [name, value])

const bandwidth = (limit: number): ReadonlyArray<string> => (limit === 0 ? [] : ['--bandwidth', String(limit)])

type ByName = { readonly [C in LibvirtCall as C['call']]: C }

/** The words of each function's command, without its flags; a function that is missing here does not compile. */
const commands: { readonly [Name in keyof ByName]: (call: ByName[Name]) => ReadonlyArray<string> } = {
  virDomainBlockCommit: ({ arguments: of }) => [
    'blockcommit',
    ...onDisk(of),
    ...option('--base', of.base),
    ...option('--top', of.top),
    ...bandwidth(of.bandwidth),
  ],
  virDomainBlockPull: ({ arguments: of }) => ['blockpull', ...onDisk(of), ...bandwidth(of.bandwidth)],
  virDomainBlockRebase: ({ arguments: of, flags }) =>
    flags.includes('VIR_DOMAIN_BLOCK_REBASE_COPY')
      ? ['blockcopy', ...onDisk(of), ...option('--dest', of.base), ...bandwidth(of.bandwidth)]
      : ['blockpull', ...onDisk(of), ...option('--base', of.base), ...bandwidth(of.bandwidth)],
  virDomainBlockCopy: ({ arguments: of }) => ['blockcopy', ...onDisk(of), '--xml', standardInput],
  virDomainBlockJobAbort: ({ arguments: of, flags }) => [
    'blockjob',
    ...onDisk(of),
    ...(flags.length === 0 ? ['--abort'] : []),
  ],
  virDomainSnapshotCreateXML: ({ arguments: of }) => ['snapshot-create', ...onDomain(of), standardInput],
  virDomainSnapshotDelete: ({ arguments: of }) => ['snapshot-delete', ...onSnapshot(of)],
  virDomainRevertToSnapshot: ({ arguments: of }) => ['snapshot-revert', ...onSnapshot(of)],
  virDomainSnapshotGetXMLDesc: ({ arguments: of }) => ['snapshot-dumpxml', ...onSnapshot(of)],
  virDomainSuspend: ({ arguments: of }) => ['suspend', ...onDomain(of)],
  virDomainResume: ({ arguments: of }) => ['resume', ...onDomain(of)],
  virDomainFSFreeze: ({ arguments: of }) => ['domfsfreeze', ...onDomain(of)],
  virDomainFSThaw: ({ arguments: of }) => ['domfsthaw', ...onDomain(of)],
  virDomainDestroyFlags: ({ arguments: of }) => ['destroy', ...onDomain(of)],
  virDomainCreateWithFlags: ({ arguments: of }) => ['start', ...onDomain(of)],
  virDomainManagedSave: ({ arguments: of }) => ['managedsave', ...onDomain(of)],
  virDomainManagedSaveRemove: ({ arguments: of }) => ['managedsave-remove', ...onDomain(of)],
  virDomainManagedSaveDefineXML: ({ arguments: of }) => ['managedsave-define', ...onDomain(of), standardInput],
  virDomainSaveFlags: ({ arguments: of }) => ['save', ...onDomain(of), ...placed('--file', of.path)],
  virDomainRestoreFlags: ({ arguments: of }) => ['restore', ...placed('--file', of.path)],
  virDomainSaveImageDefineXML: ({ arguments: of }) => [
    'save-image-define',
    ...placed('--file', of.path),
    standardInput,
  ],
  virDomainBackupBegin: ({ arguments: of }) => ['backup-begin', ...onDomain(of), standardInput],
  virDomainAbortJob: ({ arguments: of }) => ['domjobabort', ...onDomain(of)],
  virDomainDefineXMLFlags: () => ['define', standardInput],
  virDomainGetXMLDesc: ({ arguments: of }) => ['dumpxml', ...onDomain(of)],
  virDomainUpdateDeviceFlags: ({ arguments: of }) => ['update-device', ...onDomain(of), standardInput],
}

const wordsOf = <Name extends keyof ByName>(name: Name, call: ByName[Name]): ReadonlyArray<string> =>
  commands[name](call)

const standardInputOf = ({ arguments: of }: LibvirtCall): string | undefined => {
  if ('xml' in of) return xmlText(of.xml)
  return 'destxml' in of ? xmlText(of.destxml) : undefined
}

/**
 * The run of virsh(1) 11.3 that makes a libvirt call: same function, same arguments, same flags.
 *
 * XML goes in on standard input, as `/dev/stdin`, which has to be a file or a real pipe (Node's pipes are sockets, which virsh
 * cannot open). virsh takes a domain that is all digits for an id before it looks for
 * one of that name.
 *
 * @example
 * import { virshCommand } from 'backing-chain'
 *
 * const command = virshCommand({ call: 'virDomainSuspend', arguments: { domain: 'vm' }, flags: [] })
 * command // => { argv: ['virsh', 'suspend', 'vm'] }
 *
 * @since 0.1.0
 */
export const virshCommand = (call: LibvirtCall): VirshCommand => {
  const stdin = standardInputOf(call)
  const argv = ['virsh', ...wordsOf(call.call, call), ...flagOptions(call)] as const
  return stdin === undefined ? { argv } : { argv, stdin }
}

/**
 * The run of virsh(1) that makes a libvirt call, as one line of a POSIX shell.
 *
 * @example
 * import { virshLine } from 'backing-chain'
 *
 * const ends = { domain: 'vm', disk: 'vda', base: '/base', top: '/a', bandwidth: 0 }
 * virshLine({ call: 'virDomainBlockCommit', arguments: ends, flags: [] }) // => 'virsh blockcommit vm vda --base /base --top /a'
 *
 * @since 0.1.0
 */
export const virshLine = (call: LibvirtCall): string => {
  const { argv, stdin } = virshCommand(call)
  return stdin === undefined ? shellWords(argv) : `printf %s ${shellWord(stdin)} | ${shellWords(argv)}`
}
