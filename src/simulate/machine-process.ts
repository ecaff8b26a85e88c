import * as E from 'fp-ts/lib/Either.js'

import type { Fault, Outcome } from './fault.js'
import { withProcess } from './world.js'
import type { World } from './world.js'
import { withoutTarget } from './libvirt-backup.js'
import { mapWorlds, withWorld } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { kill, quit } from './process.js'
import { startFromBoot } from './start.js'

/** What a call makes of a machine. */
export type MachineOutcome = E.Either<Fault<MachineWorld>, MachineWorld>

/** A backup ends with its QEMU, and libvirt removes what it has made for it. */
const withoutBackup = (machine: MachineWorld): MachineWorld => {
  let left = machine
  for (const [disk, target] of machine.backup ?? []) {
    const world = left.worlds.get(disk)
    if (world !== undefined) left = withWorld(left, disk, withoutTarget(world, target))
  }
  return { ...left, backup: undefined }
}

/** libvirt forgets a transient domain, and all that it has written down of its snapshots, when it ends. */
const ended = (machine: MachineWorld): MachineWorld => {
  const off = { ...withoutBackup(machine), frozen: false, restoring: false }
  if (machine.domain?.definition !== 'transient') return off
  const forgotten = mapWorlds(off, (world) => ({ ...world, domain: undefined }))
  return { ...forgotten, domain: undefined, snapshots: new Map(), current: undefined }
}

/**
 * What is left of a machine after `kill -9` of QEMU: of every disk what {@link kill} leaves, and what libvirt has written down.
 *
 * @example
 * import { machine, parseChain, patternOfLayer } from 'backing-chain'
 * import { guestViews, killMachine, machineWorldOf } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'running', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const killed = pipe(world, E.map(killMachine))
 * E.isRight(killed) ? Array.from(killed.right.worlds.values(), ({ qemu }) => qemu) : [] // => [undefined]
 * E.isRight(killed) ? Array.from(guestViews(killed.right).values(), (shown) => patternOfLayer(shown)) : [] // => ['ab']
 *
 * @since 0.2.0
 */
export const killMachine = (machine: MachineWorld): MachineWorld => ended(mapWorlds(machine, kill))

/** What is left after QEMU has ended in order. */
export const quitMachine = (machine: MachineWorld): MachineWorld => ended(mapWorlds(machine, quit))

/** The same where libvirt has ended it only to start it again: also a transient domain is kept, with its snapshots. */
export const stoppedMachine = (machine: MachineWorld): MachineWorld => ({
  ...withoutBackup(mapWorlds(machine, quit)),
  frozen: false,
})

/** What a fault of one disk is to the machine: where QEMU dies of it, it dies for all disks. */
export const faultOfDisk = (machine: MachineWorld, disk: string, fault: Fault): Fault<MachineWorld> => {
  switch (fault._tag) {
    case 'Crash':
      return { ...fault, world: killMachine(withWorld(machine, disk, fault.world)) }
    case 'Failed':
    case 'WaitFailed':
    case 'WaitNeverReached':
      return { ...fault, world: withWorld(machine, disk, fault.world) }
    case 'Refused':
    case 'Hang':
    case 'GuestBlocked':
    case 'Unmodelled':
      return fault
  }
}

/** Does something in the world of one disk. */
export const inWorld = (machine: MachineWorld, disk: string, act: (world: World) => Outcome): MachineOutcome => {
  const world = machine.worlds.get(disk)
  if (world === undefined) throw new Error(`unreachable: no disk ${disk}`)
  const done = act(world)
  return E.isLeft(done) ? E.left(faultOfDisk(machine, disk, done.left)) : E.right(withWorld(machine, disk, done.right))
}

/** Does something in every world, or, where one of them has a fault, in none. */
export const inEveryWorld = (machine: MachineWorld, act: (world: World) => Outcome): MachineOutcome => {
  let done: MachineOutcome = E.right(machine)
  for (const disk of machine.worlds.keys()) if (E.isRight(done)) done = inWorld(done.right, disk, act)
  return done
}

/** The highest number that any disk has given to a node. */
const highest = ({ worlds }: MachineWorld): number =>
  Math.max(0, ...Array.from(worlds.values(), ({ qemu }) => qemu?.counter ?? 0))

/** The machine whose disks count their nodes together, as one QEMU does. */
export const countedTogether = (machine: MachineWorld): MachineWorld => {
  const counter = highest(machine)
  return mapWorlds(machine, (world) => withProcess(world, { counter }))
}

/** Starts the guest from what is on record of every disk; QEMU's nodes are numbered from the last disk's uppermost image. */
export const startMachine = (machine: MachineWorld, guest: 'running' | 'paused'): MachineOutcome => {
  let started: MachineOutcome = E.right({ ...machine, memory: 'booted' })
  for (const disk of Array.from(machine.worlds.keys()).reverse()) {
    if (E.isLeft(started)) return started
    const numbersFrom = highest(started.right)
    started = inWorld(started.right, disk, (world) => startFromBoot(world, { guest, numbersFrom }))
  }
  return started
}
