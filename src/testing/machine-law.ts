import type { Layer } from '../content/layer.js'
import { equalViews } from '../content/view.js'
import { patternOfLayer } from '../content/pattern.js'
import type { Chain } from '../model/chain.js'
import { normalPath } from '../model/header.js'
import { locationString } from '../model/location.js'
import { machineProblems } from '../model/machine-check.js'
import type { Machine } from '../model/machine.js'
import { printChain } from '../model/notation.js'
import { pointMap } from '../model/point-map.js'
import type { PointMap } from '../model/point-map.js'
import { imageOfDisk } from '../model/snapshot.js'
import { pointsAfter } from '../operation/machine-lane.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import type { MachineContents } from './machine.js'
import { everySnapshotReads, guestReads, machineContentsAfter, snapshotReads } from './machine-contents.js'
import type { At } from './machine-contents.js'
import { allowedPrefix } from './machine-order.js'

const pictures = (machine: Machine, contents?: MachineContents): string =>
  Array.from(machine.disks, ([disk, chain]) => {
    const own = contents?.disks.get(disk)
    return `  ${disk}: ${printChain(chain, own === undefined ? {} : { contents: own })}`
  }).join('\n')

const snapshotLines = ({ snapshots, current }: Machine): string =>
  Array.from(snapshots.values(), ({ name, parent, disks, state }) => {
    const held = Array.from(disks, ([disk, one]) => `${disk} ${one.mode} ${imageOfDisk(one) ?? ''}`).join(', ')
    return `  ${name}${name === current ? '^' : ''} <= ${parent ?? 'none'} (${state}): ${held}`
  }).join('\n')

const stepLine = (step: MachinePlan['steps'][number], index: number): string =>
  `  ${String(index)} ${step.disk ?? '---'} ${JSON.stringify(step.call).slice(0, 400)} ${step.until?._tag ?? ''}`

/** A plan, for the message of a law that fails. */
export const shownPlan = (plan: MachinePlan, contents: MachineContents): string =>
  [
    `${plan.operation} via ${plan.via} ${plan.how}, ${plan.before.state}`,
    pictures(plan.before, contents),
    snapshotLines(plan.before),
    'after',
    pictures(plan.after),
    snapshotLines(plan.after),
    ...plan.steps.map(stepLine),
  ].join('\n')

/** What a plan has against it, in one error. */
export const failing =
  (plan: MachinePlan, contents: MachineContents) =>
  (what: string): never => {
    throw new Error(`${what}\n${shownPlan(plan, contents)}`)
  }

const shown = (layer: Layer | undefined): string => (layer === undefined ? 'nothing' : patternOfLayer(layer))

type Fail = (what: string) => never

/** Fails where two views differ or one cannot be had. */
export const assertReads = (
  fail: Fail,
  what: string,
  { is, was }: { readonly is: Layer | undefined; readonly was: Layer | undefined },
): void => {
  if (is === undefined || was === undefined || !equalViews(is, was))
    fail(`${what} reads ${shown(is)} and not ${shown(was)}`)
}

/** What the guest shall read from a disk after a plan. */
export const guestShallRead = (plan: MachinePlan, contents: MachineContents, disk: string): Layer | undefined => {
  const at: At = { machine: plan.before, contents }
  const to = plan.operation === 'revert' ? plan.after.current : undefined
  return (to === undefined ? undefined : snapshotReads(at, to, disk)) ?? guestReads(at, disk)
}

/** What each snapshot shall read after a plan: what it read, or, one that was just taken, what the guest read. */
export const snapshotShallRead = (
  plan: MachinePlan,
  contents: MachineContents,
  at: { readonly snapshot: string; readonly disk: string },
): Layer | undefined => {
  const before: At = { machine: plan.before, contents }
  return plan.before.snapshots.has(at.snapshot)
    ? snapshotReads(before, at.snapshot, at.disk)
    : guestReads(before, at.disk)
}

const flat = (map: PointMap): ReadonlyArray<string> =>
  Array.from(map)
    .flatMap(([name, places]) =>
      Array.from(places, ([disk, { held, image, format, sizeBytes }]) =>
        [name, disk, held, image, format, String(sizeBytes)].join(' '),
      ),
    )
    .sort()

/** True where two maps have the same places. */
export const samePlaces = (a: PointMap, b: PointMap): boolean => flat(a).join('\n') === flat(b).join('\n')

const assertParts = (plan: MachinePlan, fail: Fail): void => {
  const at = new Map<string, Chain>(plan.before.disks)
  for (const { before, after } of plan.parts) {
    const now = at.get(before.disk)
    if (now === undefined || printChain(now) !== printChain(before))
      fail(`a part begins with ${printChain(before)} and not with ${now === undefined ? 'nothing' : printChain(now)}`)
    at.set(before.disk, after)
  }
  for (const [disk, chain] of plan.after.disks) {
    const now = at.get(disk)
    if (now === undefined || printChain(now) !== printChain(chain))
      fail(`the parts of ${disk} do not end in the plan's after`)
  }
}

const removedBy = (plan: MachinePlan, step: MachinePlan['steps'][number]): ReadonlyArray<string> => {
  const { call } = step
  if (call._tag !== 'Files' || call.operation !== 'remove') return []
  return Array.from(plan.before.disks.values()).flatMap((chain) =>
    Array.from(chain.images.values()).flatMap(({ name, location }) =>
      normalPath(locationString(location)) === normalPath(call.path) ? [`${chain.disk} ${name}`] : [],
    ),
  )
}

/** Each step's map names only images that are there then, and the last one is the map of the plan's end. */
const assertStepMaps = (plan: MachinePlan, fail: Fail): void => {
  const gone = new Set<string>()
  for (const [index, step] of plan.steps.entries()) {
    for (const image of removedBy(plan, step)) gone.add(image)
    for (const [name, places] of step.points)
      for (const [disk, { image }] of places) {
        const known = [plan.before, plan.after].some((of) => of.disks.get(disk)?.images.has(image) === true)
        const isGone = gone.has(`${disk} ${image}`) && plan.after.disks.get(disk)?.images.has(image) !== true
        if (!known || isGone) fail(`step ${String(index)} has ${name} on ${disk} in ${image}, which is not there`)
      }
  }
  const kept = new Map(Array.from(pointMap(plan.before)).filter(([name]) => plan.after.snapshots.has(name)))
  const last = plan.steps.at(-1)?.points ?? kept
  if (!samePlaces(last, pointMap(plan.after)))
    fail(`the last step's map is\n${flat(last).join('\n')}\nand not\n${flat(pointMap(plan.after)).join('\n')}`)
}

/** The map after some steps on some disks: each disk as its own lane and the barriers say. */
const assertPrefix = (plan: MachinePlan, choices: ReadonlyArray<number>, fail: Fail): void => {
  const done = allowedPrefix(plan.steps, choices)
  const map = pointsAfter(plan, done) ?? fail(`no map after ${Array.from(done).join(', ')}`)
  const start = pointMap(plan.before)
  for (const disk of new Set([...plan.before.disks.keys(), ...plan.after.disks.keys()])) {
    const own = plan.steps.filter((step, index) => done.has(index) && (step.disk === disk || step.disk === undefined))
    // With the last step all that is left of a snapshot ends, also on a disk that has no lane.
    const isDone = plan.steps.length > 0 && done.size === plan.steps.length
    const expected = isDone ? pointMap(plan.after) : (own.at(-1)?.points ?? start)
    const of = (points: PointMap): string =>
      flat(points)
        .filter((line) => line.split(' ')[1] === disk)
        .join('\n')
    if (of(map) !== of(expected))
      fail(`after steps ${Array.from(done).join(', ')} ${disk} has\n${of(map)}\nand not\n${of(expected)}`)
  }
}

const assertSnapshots = (plan: MachinePlan, contents: MachineContents, fail: Fail): void => {
  const end: At = { machine: plan.after, contents: machineContentsAfter(plan, contents) }
  const before = everySnapshotReads({ machine: plan.before, contents })
  for (const [name, places] of pointMap(plan.after)) {
    for (const disk of places.keys())
      assertReads(fail, `${name} on ${disk}`, {
        is: snapshotReads(end, name, disk),
        was: snapshotShallRead(plan, contents, { snapshot: name, disk }),
      })
    for (const disk of before.get(name)?.keys() ?? [])
      if (!places.has(disk) && plan.after.disks.has(disk)) fail(`${name} has lost ${disk}`)
  }
}

/**
 * Throws unless a plan for a machine keeps content, given what its images stored before it.
 *
 * The guest reads from every disk what it read, or after a revert what the snapshot held; every point in time of `after` reads
 * what it read, from the image that the point map names; every step's map names images that are there, the last one is that
 * of `after`, and the map after steps of only some disks is that of each disk's own lane. `choices` pick those steps.
 *
 * @since 0.2.0
 */
export const assertMachinePlanKeepsContent = (
  plan: MachinePlan,
  contents: MachineContents,
  choices: ReadonlyArray<number> = [],
): void => {
  const fail = failing(plan, contents)
  const problems = machineProblems(plan.after)
  if (problems.length > 0) fail(JSON.stringify(problems))
  assertParts(plan, fail)
  const end: At = { machine: plan.after, contents: machineContentsAfter(plan, contents) }
  for (const disk of plan.after.disks.keys())
    assertReads(fail, `the guest on ${disk}`, { is: guestReads(end, disk), was: guestShallRead(plan, contents, disk) })
  assertSnapshots(plan, contents, fail)
  assertStepMaps(plan, fail)
  assertPrefix(plan, choices, fail)
}
