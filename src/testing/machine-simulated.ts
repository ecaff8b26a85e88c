import * as E from 'fp-ts/lib/Either.js'

import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { patternOfLayer } from '../content/pattern.js'
import { equalViews } from '../content/view.js'
import type { PointMap } from '../model/point-map.js'
import { pointMap } from '../model/point-map.js'
import { pointsAfter } from '../operation/machine-lane.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import {
  endOfMachine,
  fileAt,
  guestView,
  machineFileView,
  machineIncidents,
  machineWorldOf,
  metadataOf,
  observeChain,
  quit,
  runMachine,
} from '../simulate/index.js'
import type { MachineMoment, MachineTrace, MachineWorld, World } from '../simulate/index.js'
import { withSurroundings } from './outside.js'
import type { Surroundings } from './outside.js'
import { assertCopies } from './machine-aside.js'
import type { MachineContents } from './machine.js'
import { guestReads } from './machine-contents.js'
import {
  chainFacts,
  definedLines,
  definitionLines,
  filesAfter,
  knownPaths,
  listedRecords,
  predictedRecords,
} from './machine-expected.js'
import { assertReads, failing, guestShallRead, snapshotShallRead } from './machine-law.js'
import { assertSaved } from './machine-memory.js'
import { allowedOrder } from './machine-order.js'
import { writesOf, writtenOver } from './machine-write.js'

/**
 * How a machine behaves while a plan is executed.
 *
 * - `writes`: numbers that pick what the guest writes, in turn; nothing, where left out, and in a revert, which throws it away.
 * - `progressBytes`: jobs copy at most so much at a time.
 * - `order`: numbers that pick an order of the steps which lanes and barriers allow; the plan's own, where left out.
 *
 * @since 0.2.0
 */
export interface MachineMeanwhile extends Surroundings {
  readonly writes?: ReadonlyArray<number>
  readonly progressBytes?: number
  readonly order?: ReadonlyArray<number>
}

/** A plan that is being held against the simulator. `order` has the plan's steps as they are executed. */
export interface Trial {
  readonly plan: MachinePlan
  readonly contents: MachineContents
  readonly order: ReadonlyArray<number>
  readonly trace: MachineTrace
  readonly fail: (what: string) => never
}

const clock = ({ steps }: MachinePlan, after: MachinePlan['assumes']): number => {
  const read = after.find((one) => one._tag === 'ClockReads')
  return read?._tag === 'ClockReads' ? read.seconds : steps.length
}

/** Runs a plan in the world of its `before`. */
export const trialOf = (plan: MachinePlan, contents: MachineContents, meanwhile: MachineMeanwhile): Trial => {
  const fail = failing(plan, contents)
  const world = machineWorldOf(plan.before, contents.disks, {
    inside: contents.inside,
    clockSeconds: clock(plan, plan.assumes),
  })
  if (E.isLeft(world)) return fail(`no world: ${JSON.stringify(world.left)}`)
  const order =
    meanwhile.order === undefined ? Array.from(plan.steps.keys()) : allowedOrder(plan.steps, meanwhile.order)
  const steps = order.flatMap((index) => plan.steps[index] ?? [])
  const writes = plan.operation === 'revert' ? undefined : meanwhile.writes && writesOf(plan, meanwhile.writes)
  let written = 0
  const trace = runMachine(withSurroundings(world.right, meanwhile), steps, {
    finally: plan.finally,
    busiest: 8,
    ...(meanwhile.progressBytes === undefined ? {} : { limitBytes: meanwhile.progressBytes }),
    ...(writes === undefined ? {} : { writes: () => writes((written += 1)) }),
  })
  return { plan, contents, order, trace, fail }
}

/** True once everything on a disk's lane that comes before step `from` of the plan has been done. */
const isDue = (
  { plan, order }: Trial,
  at: { readonly disk: string; readonly from: number; readonly done: number },
): boolean =>
  plan.steps.every(
    (step, index) => index >= at.from || (step.disk ?? at.disk) !== at.disk || order.indexOf(index) < at.done,
  )

/** A guest that is off is looked at as the caller would start it then: from the image that the plan says. */
export const asStarted = (trial: Trial, world: World, done: number): World => {
  const { plan } = trial
  if (world.qemu !== undefined) return world
  let boot = world.boot
  for (const one of plan.assumes) {
    if (one._tag !== 'OfDisk' || one.disk !== world.disk || one.assumption._tag !== 'StartsWith') continue
    const { image, path, from } = one.assumption
    const chains = [plan.after.disks.get(one.disk), plan.before.disks.get(one.disk)]
    const format = chains.map((chain) => chain?.images.get(image)?.format).find((found) => found !== undefined)
    if (format !== undefined && isDue(trial, { disk: one.disk, from, done }))
      boot = { ...boot, path, format, backingStore: [] }
  }
  return { ...world, boot }
}

const shown = (of: Layer | undefined): string => (of === undefined ? 'nothing' : patternOfLayer(of))

/** What the guest reads and shall read at one moment. */
interface Reading {
  readonly moment: MachineMoment
  readonly world: World
  readonly now: Layer
}

/** At every moment the guest reads what it read, with what it has written since; in a revert it may read what it shall. */
const assertGuest = (trial: Trial): void => {
  const { plan, contents, trace } = trial
  for (const disk of plan.after.disks.keys()) {
    const shall = guestShallRead(plan, contents, disk) ?? emptyLayer(0)
    let now = guestReads({ machine: plan.before, contents }, disk) ?? emptyLayer(0)
    for (const moment of trace.moments) {
      if (moment.written?.disk === disk) now = writtenOver(now, moment.written)
      const world = moment.machine.worlds.get(disk)
      if (world !== undefined) assertOne(trial, { moment, world, now }, shall)
    }
    const end = endOfMachine(trace).worlds.get(disk)
    if (plan.operation === 'revert' && end !== undefined)
      assertReads(trial.fail, `at the end the guest on ${disk}`, {
        is: guestView(asStarted(trial, end, plan.steps.length)),
        was: shall,
      })
  }
}

const assertOne = (trial: Trial, { moment, world, now }: Reading, shall: Layer): void => {
  const seen = guestView(asStarted(trial, world, moment.step))
  const isRight =
    seen !== undefined && (equalViews(seen, now) || (trial.plan.operation === 'revert' && equalViews(seen, shall)))
  if (!isRight)
    trial.fail(
      `after ${moment.what} of step ${String(moment.step)} the guest on ${world.disk} reads ${shown(seen)} and not ${shown(now)}`,
    )
}

/** The last moment of each step. */
const endsOfSteps = ({ trace }: Trial): ReadonlyMap<number, MachineWorld> => {
  const ends = new Map<number, MachineWorld>()
  for (const { step, machine, what } of trace.moments) if (what !== 'before') ends.set(step, machine)
  return ends
}

/** The machine as its files are once QEMU has ended in order. */
const atRest = (machine: MachineWorld): MachineWorld => ({
  ...machine,
  worlds: new Map(Array.from(machine.worlds, ([disk, world]) => [disk, quit(world)])),
})

/** What of a map is not so: points in time that are not where it says. */
export const wrongIn = (trial: Trial, machine: MachineWorld, map: PointMap): ReadonlyArray<string> => {
  const paths = knownPaths(trial.plan)
  const wrong: Array<string> = []
  for (const [snapshot, places] of map)
    for (const [disk, { held, image }] of places) {
      const known = paths.get(disk)?.get(image) ?? []
      const path = known.find((one) => hasFile(machine, one)) ?? ''
      const seen = machineFileView(machine, path, held === 'inside' ? snapshot : undefined)
      const shall = snapshotShallRead(trial.plan, trial.contents, { snapshot, disk })
      if (E.isLeft(seen) || shall === undefined || !equalViews(seen.right, shall))
        wrong.push(
          `${snapshot} on ${disk} ${held} ${image} reads ${E.isRight(seen) ? shown(seen.right) : JSON.stringify(seen.left)} and not ${shown(shall)}`,
        )
    }
  return wrong
}

/** The plan's map after the first so many executed steps. */
export const mapAfter = ({ plan, order }: Trial, count: number): PointMap =>
  pointsAfter(plan, new Set(order.slice(0, count))) ?? pointMap(plan.before)

/** A snapshot that is just being taken reads what the guest has written by then. */
const takenMeanwhile = ({ plan, trace }: Trial): boolean =>
  plan.operation === 'take' && trace.moments.some(({ written }) => written !== undefined)

const assertPoints = (trial: Trial): void => {
  for (const [step, machine] of endsOfSteps(trial)) {
    if (step >= trial.order.length) continue
    const map = mapAfter(trial, step + 1)
    const known = takenMeanwhile(trial)
      ? new Map(Array.from(map).filter(([name]) => trial.plan.before.snapshots.has(name)))
      : map
    const wrong = wrongIn(trial, atRest(machine), known)
    if (wrong.length > 0) trial.fail(`after step ${String(step)}: ${wrong.join('\n')}`)
  }
}

const hasFile = (machine: MachineWorld, path: string): boolean =>
  Array.from(machine.worlds.values()).some((world) => fileAt(world, path) !== undefined)

/** The sources that libvirt's records name. */
const namedSources = (machine: MachineWorld): ReadonlyArray<readonly [string, string]> =>
  Array.from(metadataOf(machine).snapshots).flatMap(([name, { domain, inactiveDomain }]) =>
    [...(domain?.values() ?? []), ...(inactiveDomain?.values() ?? [])].flatMap(([source]) =>
      source === undefined ? [] : [[name, source] as const],
    ),
  )

/** Between two steps no record names a file that has gone since. */
const assertNamed = (trial: Trial): void => {
  const [{ machine: start }] = trial.trace.moments
  const own = trial.plan.how === 'libvirt'
  const ends = Array.from(endsOfSteps(trial)).slice(own ? -1 : 0)
  for (const [step, machine] of ends)
    for (const [name, path] of namedSources(machine))
      if (hasFile(start, path) && !hasFile(machine, path))
        trial.fail(`after step ${String(step)} the record of ${name} names ${path}, which has gone`)
}

const assertSame = (
  trial: Trial,
  what: string,
  [is, shall]: readonly [ReadonlyArray<string>, ReadonlyArray<string>],
): void => {
  const [extra, missing] = [is.filter((one) => !shall.includes(one)), shall.filter((one) => !is.includes(one))]
  if (extra.length + missing.length > 0)
    trial.fail(`${what}: promised\n  ${missing.join('\n  ')}\nand it is\n  ${extra.join('\n  ')}`)
}

const assertChains = (trial: Trial, machine: MachineWorld): void => {
  for (const [disk, chain] of trial.plan.after.disks) {
    const world = machine.worlds.get(disk)
    const observed = world === undefined ? undefined : observeChain(asStarted(trial, world, trial.order.length), chain)
    if (observed === undefined || E.isLeft(observed))
      return trial.fail(`the chain of ${disk} is none: ${JSON.stringify(observed)}`)
    assertSame(trial, `the chain of ${disk}`, [chainFacts(observed.right), chainFacts(chain)])
  }
}

const assertFiles = (trial: Trial, machine: MachineWorld): void => {
  for (const [path, fate] of filesAfter(trial.plan))
    if (hasFile(machine, path) !== (fate === 'there')) trial.fail(`the file ${path} should be ${fate}`)
  for (const path of trial.plan.unlinked)
    if (machine.memoryFiles.has(path)) trial.fail(`the memory ${path} should be gone`)
  for (const { memory } of trial.plan.after.snapshots.values())
    if (memory._tag === 'External' && !machine.memoryFiles.has(memory.path))
      trial.fail(`the memory ${memory.path} should be there`)
  const incidents = machineIncidents(machine)
  if (incidents.length > 0) trial.fail(`incidents: ${JSON.stringify(incidents)}`)
}

const assertEnd = (trial: Trial): void => {
  const [{ plan }, machine] = [trial, endOfMachine(trial.trace)]
  const state = Array.from(machine.worlds.values())[0]?.qemu?.guest ?? 'shut-off'
  if (state !== plan.after.state) trial.fail(`the guest is ${state} and not ${plan.after.state}`)
  assertChains(trial, machine)
  assertFiles(trial, machine)
  assertCopies(trial, machine)
  if (plan.via !== 'libvirt') return
  assertSame(trial, 'definitions', [definedLines(machine, plan.after), definitionLines(plan.after)])
  assertSame(trial, 'records', [listedRecords(machine), predictedRecords(plan.after)])
  assertSaved(trial, machine)
}

/**
 * Throws unless the pretend programs, given the calls of a machine's plan, do what the plan says.
 *
 * Nothing faults; the guest reads the same at every moment, with what it writes meanwhile, or after a revert what the snapshot
 * held; after each step every point in time is where the map says; between two steps no record of libvirt's names a file that has
 * gone (its own functions leave some, which the plan mends); at the end all is as in `after`, and copies show what the plan says.
 *
 * @since 0.2.0
 */
export const assertMachinePlanSimulates = (
  plan: MachinePlan,
  contents: MachineContents,
  meanwhile: MachineMeanwhile = {},
): void => {
  const trial = trialOf(plan, contents, meanwhile)
  const { fault } = trial.trace
  if (fault !== undefined)
    trial.fail(`step ${String(fault.step)} faults: ${JSON.stringify(fault.fault, ['_tag', 'by', 'desc'])}`)
  assertGuest(trial)
  assertPoints(trial)
  assertNamed(trial)
  assertEnd(trial)
}
