import * as E from 'fp-ts/lib/Either.js'

import type { Wait } from '../call/wait.js'
import type { Fault } from './fault.js'
import { backupNoticed } from './machine-backup.js'
import { faultOfDisk } from './machine-process.js'
import { diskWhere, withWorld } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { jobOf } from './qmp-check.js'
import { approach } from './settle.js'
import type { Approach } from './settle.js'
import type { SimStep } from './trace.js'

/** The disk whose world decides whether a wait is reached. */
const diskOfWait = (machine: MachineWorld, wait: Wait, hint: string | undefined): string | undefined => {
  if (wait._tag === 'Daemon') return diskWhere(machine, ({ qemu }) => qemu?.socket === wait.socket) ?? hint
  if (wait._tag === 'LibvirtJobs') return hint
  if (wait._tag !== 'QmpJob') return wait.disk
  return diskWhere(machine, (world) => jobOf(world, wait.job) !== undefined) ?? hint
}

/** Where one step towards a wait has led: whether it is reached, and the machine. */
export type Nearer = E.Either<Fault<MachineWorld>, { readonly reached: boolean; readonly machine: MachineWorld }>

/** Takes one step on every disk towards the end of its job; where one of them fails, libvirt ends all. */
const approachAll = (
  machine: MachineWorld,
  wait: Extract<Wait, { readonly _tag: 'LibvirtJobs' }>,
  limitBytes: number | undefined,
): Nearer => {
  let at = machine
  let reached = true
  for (const disk of wait.disks) {
    const world = at.worlds.get(disk)
    if (world === undefined)
      return E.left({ _tag: 'WaitNeverReached', wait, desc: `there is no disk ${disk}`, world: at })
    const next = approach(world, wait, { limitBytes })
    if (E.isLeft(next)) {
      const fault = faultOfDisk(at, disk, next.left)
      return E.left(fault._tag === 'WaitFailed' ? { ...fault, world: backupNoticed(fault.world) } : fault)
    }
    at = withWorld(at, disk, next.right.world)
    reached = reached && next.right.reached
  }
  return E.right({ reached, machine: backupNoticed(at) })
}

/** Takes one step towards what a step waits for; `disk` is the one that it is about, where it is about one. */
export const approachMachine = (
  machine: MachineWorld,
  { call, until: wait, disk: hint }: SimStep & { readonly until: Wait; readonly disk?: string | undefined },
  limitBytes: number | undefined,
): Nearer => {
  if (wait._tag === 'LibvirtJobs') return approachAll(machine, wait, limitBytes)
  const disk = diskOfWait(machine, wait, hint) ?? machine.worlds.keys().next().value
  const world = disk === undefined ? undefined : machine.worlds.get(disk)
  if (disk === undefined || world === undefined)
    return E.left({ _tag: 'WaitNeverReached', wait, desc: 'there is no such disk', world: machine })
  const next: E.Either<Fault, Approach> = approach(world, wait, { call, limitBytes })
  if (E.isLeft(next)) return E.left(faultOfDisk(machine, disk, next.left))
  return E.right({ reached: next.right.reached, machine: backupNoticed(withWorld(machine, disk, next.right.world)) })
}
