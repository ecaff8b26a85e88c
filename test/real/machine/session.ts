// A machine with the test's own account of what it holds: guest writes, libvirt's calls made directly, and plans.

import { setTimeout as delay } from 'node:timers/promises'
import { capabilitiesOfVersions } from 'backing-chain'
import type { Machine } from 'backing-chain'
import type { MachineHost } from '../../../src/plan/machine-host.js'
import type { MachinePlan } from '../../../src/plan/machine-plan.js'
import { virshHost } from '../harness/execute-virsh.js'
import type { Host } from '../harness/steps.js'
import type { Ran } from '../lab/exec.js'
import { checkBytes, compareMachine } from './compare.js'
import { executeMachine, machineHostOf, type ExecuteOptions } from './execute.js'
import { afterRevert, afterTake, afterWrite, firstExpected, without, type Expected } from './expected.js'
import { machineOf } from './machine-of.js'
import { observe, type Observed } from './observe.js'
import { pointsWatch } from './points.js'
import { guestWrites, onMachine, targets, type Lab, type MachineStage, type Target } from './stage.js'

/** What libvirt 11.3 with QEMU 10.0 can do. */
export const machineHost: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
  managedSave: 'none',
}

/** A plan, the moment it was made for, and what the test expects of it. */
export interface Planned {
  readonly plan: MachinePlan
  readonly before: Observed
  readonly change: (of: Expected) => Expected
}

/** What has been seen of a machine, and the value that its reader makes of it. */
export interface Looked {
  readonly seen: Observed
  readonly machine: Machine
}

export interface RunOptions extends Pick<ExecuteOptions, 'choose'> {
  readonly points?: 'after each step'
}

export interface Session {
  readonly stage: MachineStage
  readonly host: Host
  readonly expected: () => Expected
  /** The path of an image of this machine. */
  readonly path: (name: string) => string
  readonly look: () => Promise<Looked>
  /** The guest writes the same cell of both disks. */
  readonly write: (cell: number, value: string) => Promise<void>
  readonly writeOne: (target: Target, cell: number, value: string) => Promise<void>
  /** Runs virsh on the domain: the command, then what follows the domain's name; rejects if it fails. */
  readonly virsh: (command: string, ...more: ReadonlyArray<string>) => Promise<string>
  /** The same, where it may fail. */
  readonly tryVirsh: (command: string, ...more: ReadonlyArray<string>) => Promise<Ran>
  /** Takes an external snapshot of disks with libvirt itself, after writing a cell that tells it from others. */
  readonly taken: (name: string, ...more: ReadonlyArray<string>) => Promise<void>
  /** Notes what has been done to snapshots past this session. */
  readonly note: (change: (of: Expected) => Expected) => void
  /** Executes a plan and compares everything; where `points` says so, also the points in time after each step. */
  readonly run: (of: Planned, options?: RunOptions) => Promise<Observed>
  /** Looks, and fails unless guest and snapshots read as they should. */
  readonly check: () => Promise<Looked>
}

/** Waits for libvirt's clock to get to another second: it names the overlays of a revert after it. */
export const nextSecond = async (): Promise<void> => {
  await delay(1000 - (Date.now() % 1000) + 5)
}

/** An account of a new machine. */
export const sessionOf = (stage: MachineStage): Session => {
  const { libvirt, domain, folder, events } = stage
  const host = machineHostOf(virshHost({ libvirt, events, domain }))
  let expected = firstExpected
  let written = 0
  const look: Session['look'] = async () => {
    const seen = await observe(stage)
    return { seen, machine: machineOf(seen) }
  }
  const writeOne: Session['writeOne'] = async (target, cell, value) => {
    await guestWrites(stage, target, { cell, value })
    expected = afterWrite(expected, target, { cell, value })
  }
  const write: Session['write'] = async (cell, value) => {
    for (const target of targets) await writeOne(target, cell, value)
  }
  const virsh: Session['virsh'] = (command, ...more) => libvirt.ask(command, domain, ...more)
  const run: Session['run'] = async (of, { points, ...options } = {}) => {
    const { plan, before, change } = of
    const after = points === undefined ? {} : { after: pointsWatch(stage, of, expected) }
    await executeMachine(plan, host, { ...options, ...after })
    expected = change(expected)
    const seen = await observe(stage)
    await compareMachine({ plan, before, seen, expected })
    return seen
  }
  const taken: Session['taken'] = async (name, ...more) => {
    const running = (await virsh('domstate')).trim() === 'running'
    if (running) await write((written++ % 12) + 2, name.at(-1) ?? 'x')
    await virsh('snapshot-create-as', name, '--disk-only', ...more)
    expected = afterTake(expected, name)
  }
  return {
    stage,
    host,
    expected: () => expected,
    path: (name) => `${folder}/${name}`,
    look,
    write,
    writeOne,
    virsh,
    tryVirsh: (command, ...more) => libvirt.virsh(command, domain, ...more),
    taken,
    note: (change) => {
      expected = change(expected)
    },
    run,
    check: async () => {
      const looked = await look()
      await checkBytes(looked.machine, looked.seen, expected)
      return looked
    },
  }
}

/** Runs something on a new machine with its account. */
export const inSession = (
  lab: Lab,
  guest: 'running' | 'shut-off',
  act: (session: Session) => Promise<void>,
): Promise<void> => onMachine(lab, guest, (stage) => act(sessionOf(stage)))

export { afterRevert, afterTake, without }
