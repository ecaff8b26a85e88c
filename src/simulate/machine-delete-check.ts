import type * as E from 'fp-ts/lib/Either.js'

import type { SnapshotDeleteCall } from '../call/libvirt.js'
import { libvirtRefuses } from './fault.js'
import type { Fault } from './fault.js'
import { keyOf } from './files.js'
import { sourceNow } from './machine-take-request.js'
import { activePath, childrenIn, descendantsIn, isExternal } from './machine-tree.js'
import { guestOf } from './machine-world.js'
import type { MachineWorld, SimSnapshot } from './machine-world.js'

type Refusal = E.Either<Fault<never>, never> | undefined

/** Which snapshots a deletion is about. */
export type Extent = 'itself' | 'with descendants' | 'descendants'

/** What the flags of a deletion say of that. */
export const extentOf = ({ flags }: SnapshotDeleteCall): Extent => {
  if (flags.includes('VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY')) return 'descendants'
  return flags.includes('VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN') ? 'with descendants' : 'itself'
}

const unsupported = (desc: string): E.Either<Fault<never>, never> =>
  libvirtRefuses(`unsupported configuration: ${desc}`)

/** An internal snapshot of a running guest can be deleted only from the images that it has open for writing. */
const insideRefusal = (machine: MachineWorld, snapshot: SimSnapshot): Refusal => {
  if (isExternal(snapshot) || guestOf(machine) === 'shut-off') return undefined
  for (const [target, { mode }] of snapshot.disks) {
    const world = machine.worlds.get(target)
    const then = snapshot.domain?.get(target)
    if (mode === 'no' || world === undefined || then === undefined) continue
    if (keyOf(sourceNow(world).path) !== keyOf(then.path))
      return libvirtRefuses(
        `Operation not supported: disk image '${target}' for internal snapshot '${snapshot.name}' is not the same as disk image currently used by VM`,
      )
  }
  return undefined
}

const descendantsRefusal = (machine: MachineWorld, name: string): Refusal => {
  const kinds = new Set(descendantsIn(machine, name).map(isExternal))
  if (kinds.size === 2) return unsupported('deletion of external and internal children disk snapshots not supported')
  return kinds.has(true) ? unsupported('deletion of external children disk snapshots not supported') : undefined
}

const hasJob = ({ worlds }: MachineWorld): boolean =>
  Array.from(worlds.values()).some(({ domain, qemu }) => domain?.job !== undefined || (qemu?.jobs.length ?? 0) > 0)

const externalRefusal = (machine: MachineWorld, { name }: SimSnapshot, extent: Extent): Refusal => {
  if (hasJob(machine))
    return libvirtRefuses(
      'Operation not supported: cannot delete external snapshots when there is another active block job',
    )
  if (extent === 'with descendants')
    return unsupported('deletion of external disk snapshots with children not supported')
  const children = childrenIn(machine, name)
  if (extent === 'descendants' || children.length === 0) return undefined
  if (machine.current === name)
    return unsupported('deletion of active external snapshot that is not a leaf snapshot is not supported')
  if (!activePath(machine).some((one) => one.name === name))
    return unsupported('deletion of non-leaf external snapshot that is not in active chain is not supported')
  return children.length > 1
    ? unsupported('deletion of external disk snapshot with multiple children snapshots not supported')
    : undefined
}

/** What libvirt says against a deletion before it looks at any disk, in its order. */
export const deletionRefusal = (machine: MachineWorld, snapshot: SimSnapshot, extent: Extent): Refusal =>
  insideRefusal(machine, snapshot) ??
  (extent === 'itself' ? undefined : descendantsRefusal(machine, snapshot.name)) ??
  (isExternal(snapshot) ? externalRefusal(machine, snapshot, extent) : undefined)
