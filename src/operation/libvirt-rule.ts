import type { LibvirtRefusal } from '../plan/machine-refusal.js'

interface OfSnapshot {
  readonly snapshot: string
}
interface OfDisk {
  readonly disk: string
}

const unsupported = (what: string): string => `unsupported configuration: deletion of ${what} not supported`

/**
 * The refusals of a deletion, each with the text that libvirt 11.3 gives. They are checked in this order, E9 to E15 for one disk
 * after the other.
 */
export const deleteRefusal = {
  /** libvirt has no record of the snapshot. */
  E0: ({ snapshot }: OfSnapshot): LibvirtRefusal => ({
    rule: 'E0',
    desc: `Domain snapshot not found: no domain snapshot with matching name '${snapshot}'`,
  }),
  E1: ({ snapshot, disk }: OfSnapshot & OfDisk): LibvirtRefusal => ({
    rule: 'E1',
    desc:
      `Operation not supported: disk image '${disk}' for internal snapshot '${snapshot}' ` +
      'is not the same as disk image currently used by VM',
  }),
  E2: (): LibvirtRefusal => ({ rule: 'E2', desc: unsupported('external and internal children disk snapshots') }),
  E3: (): LibvirtRefusal => ({ rule: 'E3', desc: unsupported('external children disk snapshots') }),
  E4: (): LibvirtRefusal => ({
    rule: 'E4',
    desc: 'Operation not supported: cannot delete external snapshots when there is another active block job',
  }),
  E5: (): LibvirtRefusal => ({ rule: 'E5', desc: unsupported('external disk snapshots with children') }),
  E6: (): LibvirtRefusal => ({
    rule: 'E6',
    desc: unsupported('active external snapshot that is not a leaf snapshot is'),
  }),
  E7: (): LibvirtRefusal => ({
    rule: 'E7',
    desc: unsupported('non-leaf external snapshot that is not in active chain is'),
  }),
  E8: (): LibvirtRefusal => ({
    rule: 'E8',
    desc: unsupported('external disk snapshot with multiple children snapshots'),
  }),
  E9: ({ disk }: OfDisk): LibvirtRefusal => ({
    rule: 'E9',
    desc: `Requested operation is not valid: snapshot disk '${disk}' was target of not completed snapshot delete`,
  }),
  E10: ({ disk }: OfDisk): LibvirtRefusal => ({
    rule: 'E10',
    desc: `operation failed: failed to find disk '${disk}' in snapshot VM XML`,
  }),
  E11: ({ disk }: OfDisk): LibvirtRefusal => ({
    rule: 'E11',
    desc: `invalid argument: disk '${disk}' not found in domain`,
  }),
  E12: (): LibvirtRefusal => ({
    rule: 'E12',
    desc: 'invalid argument: could not find base disk source in disk source chain',
  }),
  E13: (): LibvirtRefusal => ({
    rule: 'E13',
    desc: 'operation failed: failed to find parent disk source in backing chain',
  }),
  E14: (): LibvirtRefusal => ({
    rule: 'E14',
    desc: 'operation failed: snapshot VM disk source and parent disk source are not the same',
  }),
  E15: (): LibvirtRefusal => ({
    rule: 'E15',
    desc: 'Operation not supported: ' + 'deleting external snapshot that has internal snapshot as parent not supported',
  }),
  /** The daemon follows a null pointer, or one to what it has freed, and dies; what a client sees. */
  E16: (): LibvirtRefusal => ({ rule: 'E16', desc: 'End of file while reading data: Input/output error' }),
} as const

type Taken =
  { readonly by: 'disk'; readonly other: string } | { readonly by: 'file' | 'no file'; readonly path: string }

/** Why the name of an overlay is not free: another disk gets it too, or something is there. */
const takenText = (disk: string, taken: Taken): string => {
  switch (taken.by) {
    case 'disk':
      return `cannot generate external snapshot name for disk '${disk}': collision with disk '${taken.other}'`
    case 'file':
      return `external snapshot file for disk ${disk} already exists and is not a block device: ${taken.path}`
    case 'no file':
      return `mismatch between configured type for snapshot disk '${disk}' and the type of existing file '${taken.path}'`
  }
}

/** Why an internal snapshot is not loaded, as far as libvirt says: `node` is the image that has dirty bitmaps. */
type NotLoaded =
  | { readonly why: 'unsaid' }
  | { readonly why: 'absent'; readonly disk: string }
  | { readonly why: 'bitmaps'; readonly node: string }

const notLoadedText = (snapshot: string, said: NotLoaded): string => {
  switch (said.why) {
    case 'unsaid':
      return 'An error occurred, but the cause is unknown'
    case 'absent':
      return `operation failed: image of disk '${said.disk}' does not have internal snapshot '${snapshot}'`
    case 'bitmaps':
      return (
        `operation failed: load of internal snapshot '${snapshot}' job failed: ` +
        `Could not load snapshot '${snapshot}' on '${said.node}': Device has active dirty bitmaps`
      )
  }
}

/** The refusals of a revert, each with the text that libvirt 11.3 gives. */
export const revertRefusal = {
  /** libvirt has no record of the snapshot. */
  R0: ({ snapshot }: OfSnapshot): LibvirtRefusal => ({
    rule: 'R0',
    desc: `Domain snapshot not found: no domain snapshot with matching name '${snapshot}'`,
  }),
  R1: (): LibvirtRefusal => ({
    rule: 'R1',
    desc: 'Requested operation is not valid: domain has active block job',
  }),
  R2: ({ snapshot, domain }: OfSnapshot & { readonly domain: string }): LibvirtRefusal => ({
    rule: 'R2',
    desc: `revert requires force: snapshot '${snapshot}' lacks domain '${domain}' rollback info`,
  }),
  R3: (): LibvirtRefusal => ({
    rule: 'R3',
    desc:
      'revert requires force: snapshot without memory state, ' +
      'removal of existing managed saved state strongly recommended to avoid corruption',
  }),
  R4: (): LibvirtRefusal => ({
    rule: 'R4',
    desc:
      'Requested operation is not valid: ' +
      'transient domain needs to request run or pause to revert to inactive snapshot',
  }),
  R5: ({ disk }: OfDisk, taken: Taken): LibvirtRefusal => ({
    rule: 'R5',
    desc: `unsupported configuration: ${takenText(disk, taken)}`,
  }),
  R6: ({ disk }: OfDisk): LibvirtRefusal => ({
    rule: 'R6',
    desc:
      `unsupported configuration: source for disk '${disk}' is not a regular file; ` +
      'refusing to generate external snapshot name',
  }),
  /** Where the guest has no memory in it, qemu-img was asked, and libvirt does not pass on what it said. */
  R7: ({ snapshot }: OfSnapshot, why: NotLoaded): LibvirtRefusal => ({
    rule: 'R7',
    desc: notLoadedText(snapshot, why),
  }),
  /** The daemon follows a null pointer and dies; what a client sees. */
  R8: (): LibvirtRefusal => ({ rule: 'R8', desc: 'End of file while reading data: Input/output error' }),
} as const
