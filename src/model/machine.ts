import type { Chain } from './chain.js'
import type { GuestState } from './guest.js'
import { isInside } from './owed.js'
import type { OwedDescription, OwedSnapshot } from './owed.js'
import type { SavedState } from './saved-state.js'
import type { Snapshot, SnapshotDescription, SnapshotName } from './snapshot.js'
import type { XmlElement } from './xml.js'

/**
 * What libvirt has written down of a domain: whole `<domain>` elements, as `virsh dumpxml --inactive` and `virsh dumpxml`
 * print them. A transient domain has no persistent one, a shut-off domain no live one.
 *
 * @since 0.2.0
 */
export interface Definitions {
  readonly persistent: XmlElement | undefined
  readonly live: XmlElement | undefined
}

/**
 * A virtual machine: its disks with their chains, whether it runs, and its snapshots. Opaque; made only by `machine()` and by
 * the operations.
 *
 * - `disks`: by target, `vda`, in the order of the definition; the active image of each is what the guest reads now, or
 *   would read after the next start. Only disks that have images.
 * - `definitions`: nothing, where libvirt does not manage the machine.
 * - `snapshots`: by name, in the order given. `current`: the one that the guest's present comes from.
 * - `saved`: states of the guest's memory that wait to be restored.
 * - `owed`: snapshots inside images that are to be deleted once nobody has the images open.
 *
 * @since 0.2.0
 */
export interface Machine {
  readonly Machine: unique symbol
  readonly name: string
  readonly state: GuestState
  readonly disks: ReadonlyMap<string, Chain>
  readonly definitions: Definitions | undefined
  readonly snapshots: ReadonlyMap<string, Snapshot>
  readonly current: SnapshotName | undefined
  readonly saved: ReadonlyArray<SavedState>
  readonly owed: ReadonlyArray<OwedSnapshot>
}

/**
 * A machine as a caller describes it: what is left out is absent.
 *
 * @since 0.2.0
 */
export interface MachineDescription {
  readonly name: string
  readonly state: GuestState
  readonly disks: Iterable<Chain>
  readonly definitions?: Definitions | undefined
  readonly snapshots?: Iterable<SnapshotDescription>
  readonly current?: string | undefined
  readonly saved?: ReadonlyArray<SavedState>
  readonly owed?: ReadonlyArray<OwedDescription>
}

/** What a machine consists of besides its brand. */
export type MachineParts = Omit<Machine, 'Machine'>

/** Brands what has been checked; only for the constructor in `machine-make.ts`. */
// eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- the smart constructor of Machine
export const brandMachine = (parts: MachineParts): Machine => parts as Machine

/**
 * The machine with some of its parts changed; trusts its caller, who has only changed what keeps it a machine. A debt ends with what it
 * is about: an image and a snapshot of the same names can be others later.
 */
export const withMachine = (of: Machine, change: Partial<MachineParts>): Machine => {
  const parts = { ...of, ...change }
  return brandMachine({ ...parts, owed: parts.owed.filter((one) => isInside(parts, one)) })
}
