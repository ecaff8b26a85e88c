import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { XmlElement } from '../model/xml.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { textIn } from './libvirt-xml.js'
import { inWorld, quitMachine, startMachine } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { disksOfDomain, readOnlyIn } from './machine-record.js'
import { guestOf } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { bootReference } from './start.js'
import { walkChain } from './stored.js'
import type { World } from './world.js'

/** `virDomainDefineXMLFlags`: the persistent definition is replaced; a guest that runs goes on as it is. */
export const defineDomain = (machine: MachineWorld, xml: XmlElement): MachineOutcome => {
  const { domain } = machine
  const name = textIn(xml, 'name')
  if (domain === undefined || name !== domain.name) return unmodelled(`the definition of another domain, ${name ?? ''}`)
  const uuid = textIn(xml, 'uuid')
  if (uuid !== undefined && domain.uuid !== undefined && uuid !== domain.uuid)
    return libvirtRefuses(`operation failed: domain '${name}' already exists with uuid ${domain.uuid}`)
  const disks = disksOfDomain(xml)
  const same = disks.size === machine.worlds.size && Array.from(machine.worlds.keys()).every((disk) => disks.has(disk))
  if (!same) return unmodelled('a definition with other disks than the machine has')
  const definition = 'persistent' as const
  const readOnly = readOnlyIn(xml)
  let defined: MachineOutcome = E.right({ ...machine, domain: { ...domain, definition, readOnly } })
  for (const [disk, stored] of disks) {
    if (E.isLeft(defined)) return defined
    defined = inWorld(defined.right, disk, (world) =>
      E.right({
        ...world,
        boot: { keeper: 'libvirt', ...stored },
        domain: world.domain === undefined ? undefined : { ...world.domain, definition },
      }),
    )
  }
  return defined
}

/** `virDomainDestroyFlags`: QEMU is told to end first, and flushes. */
export const destroyDomain = (machine: MachineWorld): MachineOutcome =>
  guestOf(machine) === 'shut-off'
    ? libvirtRefuses('Requested operation is not valid: domain is not running')
    : E.right(quitMachine(machine))

/** What libvirt says of an image that it cannot open for a disk. */
const accessRefusal = (world: World): E.Either<Fault<never>, never> | undefined => {
  const { images, missing } = walkChain(world, bootReference(world.boot), 'libvirt')
  const above = images[images.length - 1]?.path
  if (missing === undefined) return undefined
  const which =
    above === undefined ? `storage file '${missing}'` : `backing file '${missing}' of storage file '${above}'`
  return libvirtRefuses(`Cannot access ${which}: No such file or directory`)
}

/** Starts the guest as libvirt does, which looks at the images of the last disk first. */
export const startedByLibvirt = (machine: MachineWorld, guest: 'running' | 'paused'): MachineOutcome => {
  for (const world of Array.from(machine.worlds.values()).reverse()) {
    const refused = accessRefusal(world)
    if (refused !== undefined) return refused
  }
  return pipe(
    startMachine(machine, guest),
    E.orElse((fault): MachineOutcome => (fault._tag === 'Refused' ? libvirtRefuses(fault.desc) : E.left(fault))),
  )
}

/** `virDomainCreateWithFlags`: starts all disks from the persistent definition, or nothing. */
export const createDomain = (machine: MachineWorld, guest: 'running' | 'paused'): MachineOutcome =>
  guestOf(machine) === 'shut-off'
    ? startedByLibvirt(machine, guest)
    : libvirtRefuses('Requested operation is not valid: domain is already running')
