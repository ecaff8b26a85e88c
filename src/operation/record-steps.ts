import { placeOf } from '../model/header.js'
import { path } from '../model/chain-query.js'
import type { Image, ImageName } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import { recordedParent, withRecordedParent } from '../model/record.js'
import type { Snapshot } from '../model/snapshot.js'
import type { XmlElement } from '../model/xml.js'
import type { Plan } from '../plan/plan.js'
import { forgetStep, redefineStep } from './dialect/libvirt-snapshot.js'
import { withRevertDisksAsDisks } from './libvirt-delete-record.js'
import type { Draft } from './machine-lane.js'
import { sameElement, trueRecord } from './snapshot-record.js'
import type { Successors } from './snapshot-record.js'

/** A machine, and the steps by which libvirt comes to know of it. */
export interface Recorded {
  readonly machine: Machine
  readonly drafts: ReadonlyArray<Draft>
}

const withRecords = (machine: Machine, records: ReadonlyMap<string, XmlElement>): Machine =>
  withMachine(machine, {
    snapshots: new Map(
      Array.from(machine.snapshots, ([name, snapshot]) => [
        name,
        snapshot.recorded === undefined ? snapshot : { ...snapshot, recorded: records.get(name) ?? snapshot.recorded },
      ]),
    ),
  })

/** The machine without a snapshot: its children get its parent, and where it was the current one, so does the present. */
export const withoutSnapshot = (machine: Machine, name: string): Machine => {
  const gone = machine.snapshots.get(name)
  const snapshots = new Map<string, Snapshot>()
  for (const [other, snapshot] of machine.snapshots)
    if (other !== name)
      snapshots.set(other, snapshot.parent === name ? { ...snapshot, parent: gone?.parent } : snapshot)
  return withMachine(machine, { snapshots, current: machine.current === name ? gone?.parent : machine.current })
}

type Children = Map<string | undefined, Set<string>>

const childrenBy = (snapshots: Iterable<Snapshot>, parentOf: (snapshot: Snapshot) => string | undefined): Children => {
  const children: Children = new Map()
  for (const snapshot of snapshots) {
    const parent = parentOf(snapshot)
    const known = children.get(parent)
    if (known === undefined) children.set(parent, new Set([snapshot.name]))
    else known.add(snapshot.name)
  }
  return children
}

/** Gives the children of one snapshot to its parent. */
const adopt = (
  { snapshots, children }: { readonly snapshots: Map<string, Snapshot>; readonly children: Children },
  { gone, parent }: { readonly gone: string; readonly parent: string | undefined },
  adopted: (child: Snapshot) => Snapshot,
): void => {
  const orphans = children.get(gone) ?? new Set<string>()
  children.delete(gone)
  children.get(parent)?.delete(gone)
  const siblings = children.get(parent) ?? new Set<string>()
  children.set(parent, siblings)
  for (const name of orphans) {
    const child = snapshots.get(name)
    if (child !== undefined) snapshots.set(name, adopted(child))
    siblings.add(name)
  }
}

/** What libvirt does to the records of others when it forgets a snapshot. */
const unrecord = (snapshots: Map<string, Snapshot>, gone: Snapshot, children: Children): void => {
  const parent = recordedParent(gone.recorded)
  adopt({ snapshots, children }, { gone: gone.name, parent }, (child) =>
    child.recorded === undefined ? child : { ...child, recorded: withRecordedParent(child.recorded, parent) },
  )
  const above = parent === undefined ? undefined : snapshots.get(parent)
  if (above?.recorded !== undefined)
    snapshots.set(above.name, { ...above, recorded: withRevertDisksAsDisks(above.recorded) })
}

/** Has libvirt forget snapshots, one after the other; without libvirt they go from the value alone. Linear in all of them. */
export const forgotten = (machine: Machine, names: ReadonlyArray<string>, via: Plan['via']): Recorded => {
  const snapshots = new Map<string, Snapshot>(machine.snapshots)
  const all = Array.from(snapshots.values())
  const recorded = via === 'libvirt' ? all.filter((one) => one.recorded !== undefined) : []
  const trees = {
    real: childrenBy(all, ({ parent }) => parent),
    recorded: childrenBy(recorded, (one) => recordedParent(one.recorded)),
  }
  let { current } = machine
  const drafts: Array<Draft> = []
  for (const name of names) {
    const gone = snapshots.get(name)
    if (gone === undefined) continue
    const { parent } = gone
    snapshots.delete(name)
    adopt({ snapshots, children: trees.real }, { gone: name, parent }, (child) => ({ ...child, parent }))
    if (current === name) current = parent
    if (via !== 'libvirt' || gone.recorded === undefined) continue
    unrecord(snapshots, gone, trees.recorded)
    drafts.push({ step: forgetStep(machine.name, name), ends: [name] })
  }
  return { machine: withMachine(machine, { snapshots, current }), drafts }
}

/** Has libvirt write down what is so, wherever it has something else. */
export const redefined = (machine: Machine, gone: Successors, via: Plan['via']): Recorded =>
  redefinedFrom({ machine, had: machine }, gone, via)

/** The same, of a machine whose records have been changed; `had` has those that libvirt has. */
export const redefinedFrom = (
  { machine, had }: { readonly machine: Machine; readonly had: Machine },
  gone: Successors,
  via: Plan['via'],
): Recorded => {
  if (via !== 'libvirt') return { machine, drafts: [] }
  const records = new Map<string, XmlElement>()
  const drafts: Array<Draft> = []
  for (const snapshot of machine.snapshots.values()) {
    const record = trueRecord(snapshot, { machine, gone })
    const known = had.snapshots.get(snapshot.name)?.recorded
    if (record === undefined || known === undefined || sameElement(record, known)) continue
    records.set(snapshot.name, record)
    const why = `libvirt has to know where ${JSON.stringify(String(snapshot.name))} is, and what it may unlink`
    drafts.push({ step: redefineStep(machine.name, record, why) })
  }
  return { machine: withRecords(machine, records), drafts }
}

/**
 * What a record names instead of an image that has gone: after a commit the base, which shows what the top showed; else what lay
 * below and stays, since nobody writes to it, or, where nothing does, the image that has it all now.
 */
const heirOf = ({ operation, before, after, contents: [change] }: Plan, name: ImageName): string | undefined => {
  if (operation === 'commit' && change?.span.includes(name) === true) return change.image
  const below = (path(before, name) ?? []).filter((image) => after.images.has(image.name))
  return below.at(-1)?.name ?? change?.image
}

/** Images that went, and what a record has to name instead, by the path that it may name. */
export const successorsOf = (plans: ReadonlyArray<Plan>, machine: Machine): Successors => {
  const heirs = new Map<string, string>()
  const paths = new Map<string, string>()
  for (const plan of plans) {
    const { disk } = plan.before
    for (const image of plan.before.images.values()) {
      const { name } = image
      paths.set(`${disk}\0${name}`, placeOf(image))
      const heir = plan.after.images.has(name) ? undefined : heirOf(plan, name)
      if (heir !== undefined) heirs.set(`${disk}\0${name}`, `${disk}\0${heir}`)
    }
  }
  const found = new Map<string, Image>()
  for (const from of heirs.keys()) {
    let to = from
    for (let next = heirs.get(to); next !== undefined; next = heirs.get(to)) to = next
    const [disk = '', name = ''] = to.split('\0')
    const image = machine.disks.get(disk)?.images.get(name)
    const place = paths.get(from)
    if (image !== undefined && place !== undefined) found.set(place, image)
  }
  return found
}
