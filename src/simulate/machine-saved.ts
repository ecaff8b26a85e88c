import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { LibvirtCall, SavedStateCall } from '../call/libvirt.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import { keyOf } from './files.js'
import { createDomain, startedByLibvirt } from './machine-domain.js'
import { diskOfPath } from './machine-files.js'
import { quitMachine } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { disksOfDomain } from './machine-record.js'
import { definedNow } from './machine-take.js'
import { guestOf, managedSave, mapWorlds } from './machine-world.js'
import type { MachineWorld, SavedGuest, StoredDisk } from './machine-world.js'

type Of<Name extends LibvirtCall['call']> = Extract<LibvirtCall, { readonly call: Name }>

const invalid = (desc: string) => libvirtRefuses(`Requested operation is not valid: ${desc}`)

/** What is saved at a path; what libvirt keeps for the next start is at none. */
const keyAt = (path: string): string => (path === managedSave ? managedSave : keyOf(path))

const withSaved = (machine: MachineWorld, path: string, saved: SavedGuest): MachineWorld => ({
  ...machine,
  saved: new Map(machine.saved).set(keyAt(path), saved),
})

/** The machine without a saved state; nobody objects where there is none. */
export const withoutSaved = (machine: MachineWorld, path: string): MachineWorld => {
  const saved = new Map(machine.saved)
  saved.delete(keyAt(path))
  return { ...machine, saved }
}

const hasJob = ({ worlds }: MachineWorld): boolean =>
  Array.from(worlds.values()).some(({ domain, qemu }) => domain?.job !== undefined || (qemu?.jobs.length ?? 0) > 0)

const guestThen = (flags: SavedStateCall['flags'], now: 'running' | 'paused'): 'running' | 'paused' => {
  const names: ReadonlyArray<string> = flags
  if (names.includes('VIR_DOMAIN_SAVE_RUNNING')) return 'running'
  return names.includes('VIR_DOMAIN_SAVE_PAUSED') ? 'paused' : now
}

/** `virDomainManagedSave` and `virDomainSaveFlags`: the guest stops, QEMU flushes and ends; what was saved there before is gone. */
export const savedDomain = (
  machine: MachineWorld,
  call: Of<'virDomainManagedSave' | 'virDomainSaveFlags'>,
  path: string,
): MachineOutcome => {
  const guest = guestOf(machine)
  if (guest === 'shut-off') return invalid('domain is not running')
  if (call.call === 'virDomainManagedSave' && machine.domain?.definition === 'transient')
    return invalid('cannot do managed save for transient domain')
  if (hasJob(machine)) return invalid('domain has active block job')
  if (path !== managedSave && diskOfPath(machine, path) !== undefined)
    return unmodelled(`memory over ${path}, an image: libvirt does it`)
  const memory = `saved at ${machine.clockSeconds}`
  const saved = { memory, guest: guestThen(call.flags, guest), disks: definedNow(machine) }
  return E.right(quitMachine(withSaved(machine, path, saved)))
}

const booting = (machine: MachineWorld, disks: ReadonlyMap<string, StoredDisk>): MachineWorld =>
  mapWorlds(machine, (world) => {
    const stored = disks.get(world.disk)
    return stored === undefined ? world : { ...world, boot: { keeper: world.boot.keeper, ...stored } }
  })

/** Starts on the disks that the state names, whatever the domain's definition says, which stays what it is. Nobody looks inside. */
const resumed = (machine: MachineWorld, saved: SavedGuest, guest: 'running' | 'paused'): MachineOutcome =>
  pipe(
    startedByLibvirt(booting(machine, saved.disks), guest),
    E.map((started) => ({
      ...mapWorlds(started, (world) => ({ ...world, boot: machine.worlds.get(world.disk)?.boot ?? world.boot })),
      memory: saved.memory,
    })),
  )

/** `virDomainCreateWithFlags`: a state that was saved is resumed and used up; with FORCE_BOOT it is only thrown away. */
export const startDomain = (machine: MachineWorld, { flags }: Of<'virDomainCreateWithFlags'>): MachineOutcome => {
  const paused = flags.includes('VIR_DOMAIN_START_PAUSED')
  const saved = machine.saved.get(managedSave)
  if (saved === undefined || guestOf(machine) !== 'shut-off')
    return createDomain(machine, paused ? 'paused' : 'running')
  if (flags.includes('VIR_DOMAIN_START_FORCE_BOOT'))
    return createDomain(withoutSaved(machine, managedSave), paused ? 'paused' : 'running')
  return pipe(
    resumed(machine, saved, paused ? 'paused' : saved.guest),
    E.map((started) => withoutSaved(started, managedSave)),
  )
}

/** `virDomainRestoreFlags`: the file stays, and nobody asks whether the disks are still those of then. */
export const restoredFromFile = (
  machine: MachineWorld,
  { arguments: { path }, flags }: Of<'virDomainRestoreFlags'>,
): MachineOutcome => {
  const saved = machine.saved.get(keyAt(path))
  if (guestOf(machine) !== 'shut-off') return invalid(`domain '${machine.domain?.name ?? ''}' is already active`)
  return saved === undefined
    ? libvirtRefuses(`Failed to open file '${path}': No such file or directory`)
    : resumed(machine, saved, guestThen(flags, saved.guest))
}

/** `virDomainManagedSaveDefineXML`, `virDomainSaveImageDefineXML`: the disks of a saved state are others now; no file is looked for. */
export const redefinedSave = (
  machine: MachineWorld,
  { arguments: { xml }, flags }: Of<'virDomainManagedSaveDefineXML' | 'virDomainSaveImageDefineXML'>,
  path: string,
): MachineOutcome => {
  const saved = machine.saved.get(keyAt(path))
  if (saved === undefined) return invalid('domain does not have managed save image')
  const disks = disksOfDomain(xml)
  const other = Array.from(saved.disks.keys()).find((disk) => !disks.has(disk))
  if (other !== undefined || disks.size !== saved.disks.size)
    return libvirtRefuses(`unsupported configuration: Target domain disks do not match source`)
  return E.right(withSaved(machine, path, { ...saved, guest: guestThen(flags, saved.guest), disks }))
}
