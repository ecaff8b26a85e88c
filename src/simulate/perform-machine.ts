import type { Call } from '../call/call.js'
import { performAgent } from './machine-agent.js'
import { performHandOver, performHost } from './machine-host.js'
import type { Meanwhile } from './machine-delete.js'
import { performDaemonQmp, performMachineDaemon } from './machine-daemon.js'
import { performMachineFiles, performMachineQemuImg } from './machine-files.js'
import { performMachineLibvirt } from './machine-libvirt.js'
import type { MachineOutcome } from './machine-process.js'
import { performMachineQmp } from './machine-qmp.js'
import type { MachineWorld } from './machine-world.js'

/**
 * How a call on a machine is carried out.
 *
 * - `disk`: where a new file belongs of which the call does not say so.
 * - `meanwhile`: what else happens while a call that takes its time is under way: it is given every moment, and gives back what
 *   the call finds next. `limitBytes`: how much a job copies from one such moment to the next; all, where left out.
 *
 * @since 0.2.0
 */
export interface PerformOptions {
  readonly disk?: string
  readonly meanwhile?: (machine: MachineWorld) => MachineWorld
  readonly limitBytes?: number
}

const undisturbed = (machine: MachineWorld): MachineWorld => machine

/**
 * Carries out one call on a machine, as QEMU, libvirt, qemu-img, the guest agent or the file system would, flaws included.
 *
 * What is about one disk goes to its world; `transaction` and libvirt's snapshots are for all disks or none. Faults: `Refused` with
 * the program's own text, `Crash`, `Hang`, `Unmodelled`. Never throws on account of the call.
 *
 * @example
 * import { machine, parseChain } from 'backing-chain'
 * import { machineWorldOf, performMachine } from 'backing-chain/simulate'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const world = pipe(
 *   parseChain('v[aa] <- v.1[-b]^'),
 *   E.flatMap(({ chain, contents }) =>
 *     pipe(
 *       machine({ name: 'vm', state: 'shut-off', disks: [chain] }),
 *       E.flatMap((vm) => machineWorldOf(vm, new Map([['vda', contents]]))),
 *     ),
 *   ),
 * )
 * const commit = { _tag: 'QemuImg', argv: ['qemu-img', 'commit', '-b', '/images/w', '/images/v.1'] } as const
 * const done = pipe(
 *   world,
 *   E.flatMap((of) => performMachine(of, commit)),
 * )
 * E.isLeft(done) && 'desc' in done.left ? done.left.desc : ''
 * // => "Did not find '/images/w' in the backing chain of '/images/v.1'"
 *
 * @since 0.2.0
 */
export const performMachine = (machine: MachineWorld, call: Call, options: PerformOptions = {}): MachineOutcome => {
  const meanwhile: Meanwhile = { happens: options.meanwhile ?? undisturbed, limitBytes: options.limitBytes }
  switch (call._tag) {
    case 'Qmp':
      return call.socket === undefined
        ? performMachineQmp(machine, call.command, options.disk)
        : performDaemonQmp(machine, call.command, call.socket)
    case 'Libvirt':
      return performMachineLibvirt(machine, call.function, meanwhile)
    case 'QemuImg':
      return performMachineQemuImg(machine, call.argv, options.disk)
    case 'StorageDaemon':
      return performMachineDaemon(machine, call.argv)
    case 'Files':
      return performMachineFiles(machine, call)
    case 'Agent':
      return performAgent(machine, call.command)
    case 'Host':
      return performHost(machine, call.argv)
    case 'HandOver':
      return performHandOver(machine, call)
  }
}
