import * as E from 'fp-ts/lib/Either.js'

import type { SnapshotCreateCall } from '../call/libvirt.js'
import type { XmlElement } from '../model/xml.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { childOf, textIn } from './libvirt-xml.js'
import type { MachineOutcome } from './machine-process.js'
import { derivedPath, recordOf } from './machine-record.js'
import { ancestorsIn } from './machine-tree.js'
import { withSnapshot } from './machine-world.js'
import type { MachineWorld, SimSnapshot, SnapshotRecordDisk } from './machine-world.js'

type Refusal = E.Either<Fault<never>, never> | undefined

const invalid = (desc: string): E.Either<Fault<never>, never> => libvirtRefuses(`invalid argument: ${desc}`)

const parentRefusal = (machine: MachineWorld, { name, parent }: SimSnapshot): Refusal => {
  if (parent === undefined) return undefined
  if (parent === name) return invalid(`cannot set moment ${name} as its own parent`)
  if (!machine.snapshots.has(parent)) return invalid(`parent ${parent} for moment ${name} not found`)
  return ancestorsIn(machine, parent).some((one) => one.name === name)
    ? invalid(`parent ${parent} would create cycle to ${name}`)
    : undefined
}

const isOnline = (state: string): boolean => state === 'running' || state === 'paused'

const stateRefusal = (old: SimSnapshot | undefined, { name, state }: SimSnapshot): Refusal => {
  if (old === undefined) return undefined
  if (isOnline(old.state) !== isOnline(state))
    return invalid(`cannot change between online and offline snapshot state in snapshot ${name}`)
  return (old.state === 'disk-snapshot') !== (state === 'disk-snapshot')
    ? invalid(`cannot change between disk only and full system in snapshot ${name}`)
    : undefined
}

const domainRefusal = (machine: MachineWorld, xml: XmlElement, old: SimSnapshot | undefined): Refusal => {
  const domain = childOf(xml, 'domain')
  const name = textIn(domain, 'name')
  const uuid = textIn(domain, 'uuid')
  if (domain === undefined && old === undefined) return libvirtRefuses('internal error: missing domain in snapshot')
  if (name !== undefined && name !== machine.domain?.name)
    return libvirtRefuses(
      `unsupported configuration: Target domain name '${name}' does not match source '${machine.domain?.name ?? ''}'`,
    )
  const ours = machine.domain?.uuid
  return uuid !== undefined && ours !== undefined && uuid !== ours
    ? invalid(`definition for snapshot ${textIn(xml, 'name') ?? ''} must use uuid ${ours}`)
    : undefined
}

/** What has no file besides, and was not of the disks alone, libvirt takes to be inside the images. */
const kindRefusal = ({ state, memory, disks }: SimSnapshot): Refusal => {
  const apart = Array.from(disks.values()).some(({ mode }) => mode === 'external') || memory._tag === 'External'
  const manual = Array.from(disks).find(([, { mode }]) => mode === 'manual')
  return state === 'disk-snapshot' || apart || manual === undefined
    ? undefined
    : libvirtRefuses(`unsupported configuration: disk '${manual[0]}' must use snapshot mode 'internal'`)
}

/** A disk that the XML leaves out is written down all the same, with a name that libvirt makes up. */
const filledIn = (snapshot: SimSnapshot): ReadonlyMap<string, SnapshotRecordDisk> => {
  const disks = new Map(snapshot.disks)
  const external = Array.from(disks.values()).every(({ mode }) => mode !== 'internal')
  for (const [target, { path }] of snapshot.domain ?? []) {
    if (disks.has(target)) continue
    const source = external ? { path: derivedPath(path, snapshot.name), format: 'qcow2' as const } : undefined
    disks.set(target, { mode: external ? 'external' : 'internal', source, deleteInProgress: false })
  }
  return disks
}

/** What an earlier current snapshot got from a revert is forgotten when another, or itself anew, is made the current one. */
const madeCurrent = (machine: MachineWorld, name: string): MachineWorld => ({
  ...(machine.current === undefined ? machine : withSnapshot(machine, machine.current, { revertDisks: undefined })),
  current: name,
})

/**
 * With REDEFINE libvirt writes down what it is given, and looks at no file: a new snapshot, or another text for one that is
 * there. A `<domain>` that is left out stays; anything else that is left out goes.
 */
export const redefine = (machine: MachineWorld, { arguments: { xml }, flags }: SnapshotCreateCall): MachineOutcome => {
  const given = recordOf(xml)
  if (given === undefined) return unmodelled('a redefinition without a name')
  const old = machine.snapshots.get(given.name)
  const refused =
    domainRefusal(machine, xml, old) ?? parentRefusal(machine, given) ?? stateRefusal(old, given) ?? kindRefusal(given)
  if (refused !== undefined) return refused
  const whole = { ...given, domain: given.domain ?? old?.domain }
  const snapshot = { ...whole, disks: filledIn(whole) }
  const written = { ...machine, snapshots: new Map(machine.snapshots).set(given.name, snapshot) }
  return E.right(flags.includes('VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT') ? madeCurrent(written, given.name) : written)
}
