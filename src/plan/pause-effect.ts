import { parseQemuImg } from '../call/qemu-img-argv.js'
import type { LibvirtCall } from '../call/libvirt.js'
import type { QmpCommand } from '../call/qmp.js'
import { childOf } from '../model/xml.js'
import type { SavedState } from '../model/saved-state.js'
import type { XmlElement } from '../model/xml.js'
import type { MachinePlan, MachineStep } from './machine-plan.js'

/**
 * What an interval in which the guest stands still grows with.
 *
 * - `MemoryWritten`, `MemoryRead`: the guest's memory, to or from a file or an image.
 * - `QemuStarted`: a QEMU that is started, and its devices.
 * - `DisksFlushed`: what QEMU has not written down yet.
 * - `DataCopied`: the data of a disk that are copied, at most its size.
 * - `TablesCopied`: the tables of an image, which grow with what is allocated in it: a snapshot inside is taken, loaded or deleted.
 *   QEMU's monitor stands still with the guest then.
 * - `RequestsDrained`: what the guest has under way on its disks.
 * - `LevelAsked`: a level of storage below QEMU, or whoever has it, for what it does.
 * - `FileSystemsWritten`: what the guest has not written to its file systems.
 * - `LeftToCaller`: the plan ends, and leaves it so.
 *
 * @since 0.2.0
 */
export interface PauseCost {
  readonly _tag:
    | 'MemoryWritten'
    | 'MemoryRead'
    | 'QemuStarted'
    | 'DisksFlushed'
    | 'DataCopied'
    | 'TablesCopied'
    | 'RequestsDrained'
    | 'LevelAsked'
    | 'FileSystemsWritten'
    | 'LeftToCaller'
  /** The disk that it is about, where it is about one. */
  readonly disk?: string
  /** How fast `DataCopied` goes at most, where that is limited. */
  readonly bytesPerSecond?: number
}

/** What a pause waits for. */
export type PauseTag = PauseCost['_tag']

/** What a step does to a guest: `goes` is what it does afterwards, where the step changes that; `costs` is what it waits for. */
export interface Effect {
  readonly goes?: 'on' | 'stands' | 'frozen' | 'thawed'
  readonly costs: ReadonlyArray<PauseTag>
}

const nothing: Effect = { costs: [] }
const within = (...costs: ReadonlyArray<PauseTag>): Effect => ({ costs })

const drains: ReadonlySet<string> = new Set([
  ...['block-commit', 'block-stream', 'blockdev-mirror', 'blockdev-backup', 'blockdev-snapshot', 'job-complete'],
  ...['virDomainBlockCommit', 'virDomainBlockPull', 'virDomainBlockRebase', 'virDomainBlockCopy'],
  'virDomainBackupBegin',
])

const inTables: ReadonlySet<string> = new Set([
  ...['blockdev-snapshot-internal-sync', 'blockdev-snapshot-delete-internal-sync', 'snapshot-delete'],
])

const qmpEffect = (command: QmpCommand): Effect => {
  const { execute } = command
  if (execute === 'stop') return { goes: 'stands', costs: ['DisksFlushed'] }
  if (execute === 'cont') return { goes: 'on', costs: [] }
  if (execute === 'snapshot-save') return within('MemoryWritten', 'TablesCopied')
  if (execute === 'snapshot-load') return within('TablesCopied', 'MemoryRead')
  const names = command.execute === 'transaction' ? command.arguments.actions.map(({ type }) => type) : [execute]
  return within(
    ...(names.some((name) => drains.has(name)) ? (['RequestsDrained'] as const) : []),
    ...(names.some((name) => inTables.has(name)) ? (['TablesCopied'] as const) : []),
  )
}

/** How a `<domainsnapshot>` keeps the guest's memory. */
const memoryIn = (xml: XmlElement): string | undefined => childOf(xml, 'memory')?.attributes['snapshot']

const isManual = (xml: XmlElement): boolean =>
  childOf(xml, 'disks')?.children.some(
    (disk) => typeof disk === 'object' && disk.attributes['snapshot'] === 'manual',
  ) ?? false

const createEffect = ({ flags, arguments: { xml } }: LibvirtCall & { readonly call: 'virDomainSnapshotCreateXML' }) => {
  if (flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE')) return nothing
  const memory = memoryIn(xml)
  const live = flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_LIVE')
  const kept: ReadonlyArray<PauseTag> = memory === 'external' && !live ? ['MemoryWritten'] : []
  const costs: ReadonlyArray<PauseTag> =
    memory === 'internal' ? ['MemoryWritten', 'TablesCopied'] : [...kept, 'RequestsDrained']
  return isManual(xml) ? { goes: 'stands' as const, costs: [...costs, 'DisksFlushed' as const] } : { costs }
}

/** What of a plan matters here. */
export type Planned = Pick<MachinePlan, 'before' | 'steps'>

/** What a guest does once its memory is read; nothing where there is none. */
export type SavedGuest = SavedState['guest'] | undefined

/** The state that a guest is saved in, or restored to, where flags do not say that of `guest`. */
export const savedAs = (flags: ReadonlyArray<string>, guest: SavedState['guest']): SavedState['guest'] => {
  if (flags.includes('VIR_DOMAIN_SAVE_RUNNING')) return 'running'
  return flags.includes('VIR_DOMAIN_SAVE_PAUSED') || flags.includes('VIR_DOMAIN_START_PAUSED') ? 'paused' : guest
}

const startEffect = (flags: ReadonlyArray<string>, saved: SavedGuest): Effect => ({
  goes: savedAs(flags, saved ?? 'running') === 'paused' ? 'stands' : 'on',
  costs: saved === undefined ? ['QemuStarted'] : ['QemuStarted', 'MemoryRead'],
})

const savedIn = ({ before }: Planned, path: string): SavedGuest =>
  before.saved.find(({ place }) => place.kind === 'file' && place.path === path)?.guest ?? 'running'

const snapshotEffect = (plan: Planned, call: LibvirtCall): Effect => {
  if (call.call === 'virDomainSnapshotCreateXML') return createEffect(call)
  if (call.call === 'virDomainSnapshotDelete') {
    const snapshot = plan.before.snapshots.get(call.arguments.snapshot)
    if (call.flags.includes('VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY')) return nothing
    const inside = Array.from(snapshot?.disks.values() ?? []).some(({ mode }) => mode === 'internal')
    return within(inside ? 'TablesCopied' : 'RequestsDrained')
  }
  if (call.call !== 'virDomainRevertToSnapshot') return nothing
  const { memory, state } = plan.before.snapshots.get(call.arguments.snapshot) ?? {}
  const loaded: ReadonlyArray<PauseTag> = memory === undefined || memory._tag === 'None' ? [] : ['MemoryRead']
  // The guest does what it did then, whatever it does now: one that was shut off is.
  const runs = call.flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING')
  const stands = call.flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED') || state !== 'running'
  return { goes: runs || !stands ? 'on' : 'stands', costs: ['QemuStarted', ...loaded] }
}

/** What is the same whatever the arguments are. */
const fixed: { readonly [N in LibvirtCall['call']]?: Effect } = {
  virDomainSuspend: { goes: 'stands', costs: ['DisksFlushed'] },
  virDomainResume: { goes: 'on', costs: [] },
  virDomainManagedSave: { goes: 'stands', costs: ['DisksFlushed', 'MemoryWritten'] },
  virDomainSaveFlags: { goes: 'stands', costs: ['DisksFlushed', 'MemoryWritten'] },
  virDomainDestroyFlags: { goes: 'stands', costs: ['DisksFlushed'] },
  virDomainFSFreeze: { goes: 'frozen', costs: ['FileSystemsWritten'] },
  virDomainFSThaw: { goes: 'thawed', costs: [] },
}

const libvirtEffect = (plan: Planned, call: LibvirtCall, saved: SavedGuest): Effect => {
  const known = fixed[call.call]
  if (known !== undefined) return known
  if (call.call === 'virDomainCreateWithFlags')
    return startEffect(call.flags, call.flags.includes('VIR_DOMAIN_START_FORCE_BOOT') ? undefined : saved)
  if (call.call === 'virDomainRestoreFlags') return startEffect(call.flags, savedIn(plan, call.arguments.path))
  if (call.call === 'virDomainBlockJobAbort')
    return call.flags.includes('VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT') ? within('RequestsDrained') : nothing
  return drains.has(call.call) ? within('RequestsDrained') : snapshotEffect(plan, call)
}

const copies: ReadonlySet<string> = new Set(['convert', 'commit'])

/** What other programs do while the guest stands: they keep nobody waiting who runs. */
export const costsBeside = ({ call }: MachineStep): ReadonlyArray<PauseTag> => {
  if (call._tag === 'Host' || call._tag === 'HandOver') return ['LevelAsked']
  return call._tag === 'QemuImg' ? qemuImgCosts(call.argv) : []
}

const qemuImgCosts = (argv: ReadonlyArray<string>): ReadonlyArray<PauseTag> => {
  const parsed = parseQemuImg(argv)
  if (parsed._tag === 'Left') return []
  const { command, options } = parsed.right
  if (command === 'snapshot') return options.has('-l') ? [] : ['TablesCopied']
  return copies.has(command) || (command === 'rebase' && !options.has('-u')) ? ['DataCopied'] : []
}

/** How fast a run of qemu-img copies data at most, where that is limited. */
const rateOf = ({ call }: MachineStep): number | undefined => {
  const parsed = call._tag === 'QemuImg' ? parseQemuImg(call.argv) : undefined
  const rate = parsed?._tag === 'Right' && copies.has(parsed.right.command) ? parsed.right.options.get('-r') : undefined
  return rate === undefined ? undefined : Number(rate)
}

/** What a step adds to a pause. */
export const costOf = (step: MachineStep, _tag: PauseTag): PauseCost => {
  const bytesPerSecond = _tag === 'DataCopied' ? rateOf(step) : undefined
  return {
    _tag,
    ...(step.disk === undefined ? {} : { disk: step.disk }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  }
}

const agentEffect = (execute: string): Effect => {
  if (execute === 'guest-fsfreeze-freeze') return { goes: 'frozen', costs: ['FileSystemsWritten'] }
  return execute === 'guest-fsfreeze-thaw' ? { goes: 'thawed', costs: [] } : nothing
}

/** What a step does to the guest that runs; `saved` is what it does once the next start has read its memory. */
export const effectOf = (plan: Planned, { call }: MachineStep, saved: SavedGuest): Effect => {
  switch (call._tag) {
    case 'Qmp':
      return call.socket === undefined ? qmpEffect(call.command) : nothing
    case 'Libvirt':
      return libvirtEffect(plan, call.function, saved)
    case 'Agent':
      return agentEffect(call.command.execute)
    case 'QemuImg':
    case 'Host':
    case 'HandOver':
    case 'StorageDaemon':
    case 'Files':
      return nothing
  }
}
