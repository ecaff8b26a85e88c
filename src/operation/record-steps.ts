import { normalPath } from '../model/header.js'
import { path } from '../model/chain-query.js'
import type { Image, ImageName } from '../model/image.js'
import { locationString } from '../model/location.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Snapshot } from '../model/snapshot.js'
import type { XmlElement } from '../model/xml.js'
import type { Plan } from '../plan/plan.js'
import { forgetStep, redefineStep } from './dialect/libvirt-snapshot.js'
import { recordsAfterDelete } from './libvirt-delete-record.js'
import { libvirtTree } from './libvirt-tree.js'
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

/** Has libvirt forget snapshots, one after the other; without libvirt they go from the value alone. */
export const forgotten = (machine: Machine, names: ReadonlyArray<string>, via: Plan['via']): Recorded => {
  let at = machine
  const drafts: Array<Draft> = []
  for (const name of names) {
    const tree = libvirtTree(at)
    const record = tree.snapshots.get(name)
    const known = via === 'libvirt' && record !== undefined
    const without = withoutSnapshot(at, name)
    at = known ? withRecords(without, recordsAfterDelete(tree, [record]).records) : without
    if (known) drafts.push({ step: forgetStep(machine.name, name), ends: [name] })
  }
  return { machine: at, drafts }
}

/** Has libvirt write down what is so, wherever it has something else. */
export const redefined = (machine: Machine, gone: Successors, via: Plan['via']): Recorded => {
  if (via !== 'libvirt') return { machine, drafts: [] }
  const records = new Map<string, XmlElement>()
  const drafts: Array<Draft> = []
  for (const snapshot of machine.snapshots.values()) {
    const record = trueRecord(snapshot, { machine, gone })
    if (record === undefined || snapshot.recorded === undefined || sameElement(record, snapshot.recorded)) continue
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
    for (const { name, location } of plan.before.images.values()) {
      paths.set(`${disk}\0${name}`, normalPath(locationString(location)))
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
