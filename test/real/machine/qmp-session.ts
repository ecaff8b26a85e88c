// A machine without libvirt, with its value and the test's own account of what it holds.

import * as E from 'fp-ts/lib/Either.js'
import { unlink } from 'node:fs/promises'
import { expect } from 'vitest'
import { checkMachinePlan, pointsAfter } from 'backing-chain'
import type { Machine, MachineHost, MachinePlan, MachineRefusal } from 'backing-chain'
import { right } from '../harness/tree.js'
import type { QemuVersion } from '../lab/binaries.js'
import { fields } from '../lab/json.js'
import type { Qemu } from '../lab/qemu.js'
import { executeMachine, type Choose } from './execute.js'
import { firstExpected, type Expected } from './expected.js'
import { checkBytes, checkPoints, filesAfter } from './qmp-compare.js'
import { freeHost, noAgent, type Agent } from './qmp-host.js'
import { clearHome, inState, newMachine, pathOf, powerOn, shutOff, type Home } from './qmp-machine.js'
import { checkHeaders, checkLive, filesOf, namesOpen, openNodes } from './qmp-observe.js'
import { accountAfter, hostFor, planOf, type Account, type Asked } from './qmp-plans.js'
import { afterWrites, guestWrites, noting, someMore, startGuest, type Moment, type Write } from './qmp-writer.js'

/** How a plan is executed. */
export interface How {
  /** Which lane goes on next; the order of the plan where left out. */
  readonly choose?: Choose
  /** Look at every point in time after each step, with everything flushed. */
  readonly watched?: boolean
  /** The guest writes meanwhile, as this seed has it. */
  readonly writes?: number
  readonly agent?: Agent
  /** Compare nothing: what begins a scenario is compared where it is the scenario. */
  readonly trusted?: boolean
  readonly host?: Partial<MachineHost>
  /** Looks at what has come of a plan, given what the guest read after each of its writes meanwhile. */
  readonly moments?: (reads: ReadonlyArray<Expected>) => Promise<void>
}

export interface Free {
  readonly home: Home
  readonly machine: () => Machine
  readonly account: () => Account
  /** The QEMU that runs it, for what no plan does. */
  readonly qemu: () => Qemu
  readonly start: (guest?: 'running' | 'paused') => Promise<void>
  readonly stop: () => Promise<void>
  readonly pause: () => Promise<void>
  readonly resume: () => Promise<void>
  readonly write: (write: Write) => Promise<void>
  readonly plan: (asked: Asked, host?: Partial<MachineHost>) => Promise<E.Either<MachineRefusal, MachinePlan>>
  /** Executes a plan for what was asked, and compares everything. */
  readonly run: (asked: Asked, plan: MachinePlan, how?: How) => Promise<void>
  /** Plans and executes. */
  readonly does: (asked: Asked, how?: How) => Promise<MachinePlan>
  readonly refuses: (asked: Asked, host?: Partial<MachineHost>) => Promise<MachineRefusal>
  /** Closes and removes what a plan has made that nobody reads. */
  readonly dropUnused: () => Promise<void>
  /** Fails unless everything is as noted down. */
  readonly check: () => Promise<void>
}

interface State {
  readonly qemu: Qemu | undefined
  readonly machine: Machine
  readonly account: Account
}

/** Has QEMU write down all that it keeps in memory: only then qemu-img -U sees the images as they are. */
const settle = async (qemu: Qemu | undefined): Promise<void> => {
  if (qemu === undefined) return
  const { running } = fields(await qemu.qmp.ask('query-status'))
  await qemu.qmp.ask('stop')
  if (running === true) await qemu.qmp.ask('cont')
}

/** Judges a plan by itself: the map of each step is that of the steps up to it. */
const checkPlanned = (plan: MachinePlan): void => {
  expect(checkMachinePlan(plan)).toEqual([])
  const done = new Set<number>()
  for (const [index, { points }] of plan.steps.entries()) expect(pointsAfter(plan, done.add(index))).toEqual(points)
}

const checkAll = async (home: Home, { qemu, machine, account }: State): Promise<void> => {
  await checkLive(qemu, machine)
  await settle(qemu)
  await checkHeaders(home, machine)
  await checkBytes(home.version, machine, account)
}

/** The account with the snapshot at the one moment, between two writes, at which it fits on all disks. */
const atMoment = async (
  version: QemuVersion,
  { asked, plan, account }: { readonly asked: Asked; readonly plan: MachinePlan; readonly account: Account },
  { writes, moment }: { readonly writes: ReadonlyArray<Write>; readonly moment: Moment },
): Promise<Account> => {
  const rest = (from: number): ReadonlyArray<Write> => writes.slice(from)
  const at = (count: number): Account => {
    const then = { ...account, expected: afterWrites(account.expected, writes.slice(0, count)) }
    const taken = accountAfter(asked, then, plan)
    return { ...taken, expected: afterWrites(taken.expected, rest(count)) }
  }
  for (let count = moment.earliest; count < Math.min(moment.latest, writes.length); count++) {
    const fits = await checkBytes(version, plan.after, at(count)).then(
      () => true,
      () => false,
    )
    if (fits) return at(count)
  }
  return at(Math.min(moment.latest, writes.length))
}

const execute = async (
  home: Home,
  state: State,
  { asked, plan, how }: { readonly asked: Asked; readonly plan: MachinePlan; readonly how: How },
): Promise<Account> => {
  const { qemu, account } = state
  const { version } = home
  const { choose, watched = false, agent = noAgent } = how
  const guest = how.writes === undefined || qemu === undefined ? undefined : startGuest(qemu, how.writes)
  const plain = freeHost({ version, qemu, agent })
  let moment: Moment = { earliest: 0, latest: 0 }
  const host = guest === undefined ? plain : noting(plain, guest, (noted) => (moment = noted))
  const wanted = { plan, before: account.expected, after: accountAfter(asked, account, plan).expected }
  const after = async (done: ReadonlySet<number>): Promise<void> => {
    await settle(qemu)
    await checkPoints(version, wanted, done)
  }
  if (guest !== undefined) await someMore(guest)
  try {
    await executeMachine(plan, host, { ...(choose && { choose }), ...(watched && { after }) })
    if (guest !== undefined) await someMore(guest)
  } finally {
    await guest?.stop()
  }
  const writes = guest?.written ?? []
  await how.moments?.(
    [...writes.keys(), writes.length].map((count) => afterWrites(account.expected, writes.slice(0, count))),
  )
  if (guest === undefined) return accountAfter(asked, account, plan)
  await settle(qemu)
  return atMoment(version, { asked, plan, account }, { writes: guest.written, moment })
}

const dropUnused = async (home: Home, { qemu, machine }: State): Promise<void> => {
  const wanted = namesOpen(machine)
  for (const node of await openNodes(qemu))
    if (!wanted.has(node)) await qemu?.qmp.ask('blockdev-del', { 'node-name': node })
  const images = Array.from(machine.disks.values()).flatMap((chain) => Array.from(chain.images.values(), pathOf))
  for (const path of await filesOf(home)) if (!images.includes(path)) await unlink(path)
}

const sessionOf = (home: Home, first: Machine): Free => {
  let state: State = { qemu: undefined, machine: first, account: { expected: firstExpected, left: new Map() } }
  const now = (change: Partial<State>): void => {
    state = { ...state, ...change }
  }
  const power = async (command: 'stop' | 'cont'): Promise<void> => {
    await state.qemu?.qmp.ask(command)
    now({ machine: inState(state.machine, command === 'stop' ? 'paused' : 'running') })
  }
  const plan: Free['plan'] = async (asked, host = {}) => {
    const of = { ...hostFor(state.machine, home.version), ...host }
    return planOf(asked, state.machine, { host: of, reserved: await filesOf(home) })
  }
  const run: Free['run'] = async (asked, planned, how = {}) => {
    checkPlanned(planned)
    const files = await filesOf(home)
    const account = await execute(home, state, { asked, plan: planned, how })
    now({ machine: planned.after, account })
    expect(await filesOf(home)).toEqual(filesAfter(planned, files))
    if (how.trusted !== true) await checkAll(home, state)
  }
  return {
    home,
    machine: () => state.machine,
    account: () => state.account,
    qemu: () => {
      if (state.qemu === undefined) throw new Error('the guest is shut off')
      return state.qemu
    },
    start: async (guest = 'running') => {
      now(await powerOn(home, state.machine, guest))
    },
    stop: async () => {
      await state.qemu?.quit()
      now({ qemu: undefined, machine: shutOff(state.machine) })
    },
    pause: () => power('stop'),
    resume: () => power('cont'),
    write: async (write) => {
      if (state.qemu === undefined) throw new Error('the guest is shut off')
      await guestWrites(state.qemu, write)
      const { account } = state
      now({ account: { ...account, expected: afterWrites(account.expected, [write]) } })
    },
    plan,
    run,
    does: async (asked, how = {}) => {
      const planned = right(await plan(asked, how.host))
      await run(asked, planned, how)
      return planned
    },
    refuses: async (asked, host) => {
      const planned = await plan(asked, host)
      if (E.isLeft(planned)) return planned.left
      throw new Error(`there is a plan: ${planned.right.steps.map(({ why }) => why).join('; ')}`)
    },
    dropUnused: () => dropUnused(home, state),
    check: () => checkAll(home, state),
  }
}

/** Runs something on a new machine that is shut off, and clears it in the end. */
export const onFreeMachine = async (version: QemuVersion, act: (free: Free) => Promise<void>): Promise<void> => {
  const { home, machine } = await newMachine(version)
  const free = sessionOf(home, machine)
  try {
    await act(free)
  } finally {
    await free.stop()
    await clearHome(home)
  }
}
