import type { Machine } from '../model/machine.js'
import { sourcesOfDomain } from '../model/record.js'
import { managedIn } from '../model/saved-state.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { Definition, Domain, Hypervisor, QemuImgHypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'

/** Every disk that libvirt knows of a machine, empty drives and those without images included, besides one. */
const otherDisks = (machine: Machine, disk: string): ReadonlyArray<string> => {
  const { live, persistent } = machine.definitions ?? {}
  const known = [...sourcesOfDomain(live ?? persistent).keys(), ...machine.disks.keys()]
  return Array.from(new Set(known)).filter((other) => other !== disk)
}

const domainOf = (machine: Machine, disk: string): Domain => ({
  name: machine.name,
  definition:
    machine.definitions !== undefined && machine.definitions.persistent === undefined ? 'transient' : 'persistent',
  otherDisks: otherDisks(machine, disk),
})

const diskElement = (domain: XmlElement | undefined, disk: string): XmlElement | undefined =>
  (domain === undefined ? undefined : childOf(domain, 'devices'))?.children.find(
    (child): child is XmlElement =>
      typeof child === 'object' && child.name === 'disk' && childOf(child, 'target')?.attributes['dev'] === disk,
  )

/** What libvirt's persistent definition says of a disk of a machine that is shut off. */
const definitionOf = (machine: Machine, host: MachineHost, disk: string): Definition | undefined => {
  const element = diskElement(machine.definitions?.persistent, disk)
  if (element === undefined) return undefined
  // What a state that is known pins is asked of the whole plan.
  const managedSave = managedIn(machine.saved) === undefined ? host.managedSave : 'none'
  const saved = managedSave === undefined ? {} : { managedSave }
  return { domain: machine.name, disk: element, ...saved }
}

const common = (machine: Machine, host: MachineHost, disk: string) => {
  const jobs = host.jobs?.get(disk)
  const opened = host.opened?.get(disk)
  return {
    guest: machine.state,
    capabilities: host.capabilities,
    ...(jobs === undefined ? {} : { jobs }),
    ...(opened === undefined ? {} : { opened }),
  }
}

/** Each disk has a daemon of its own: the disks need not wait for each other. */
const socketOf = ({ socket }: MachineHost, disk: string): string => (socket === undefined ? '' : `${socket}.${disk}`)

/** Who executes work on one disk of a machine: libvirt has no calls for chains of a guest that is shut off, qemu-img does. */
export const hypervisorOf = (machine: Machine, host: MachineHost, disk: string): Hypervisor => {
  const of = common(machine, host, disk)
  if (host.via === 'qmp') return { ...of, via: 'qmp' }
  if (host.via === 'storage-daemon') return { ...of, via: 'storage-daemon', socket: socketOf(host, disk) }
  if (host.via === 'libvirt' && machine.state !== 'shut-off')
    return { ...of, via: 'libvirt', domain: domainOf(machine, disk) }
  const definition = host.via === 'libvirt' ? definitionOf(machine, host, disk) : undefined
  return { ...of, via: 'qemu-img', ...(definition === undefined ? {} : { definition }) }
}

/** Who executes work on images that the guest does not read, whether it runs or not: nobody has them open. */
export const hypervisorAtRest = (machine: Machine, host: MachineHost): QemuImgHypervisor => ({
  via: 'qemu-img',
  guest: machine.state,
  capabilities: host.capabilities,
})
