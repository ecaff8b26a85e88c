import type { Call } from '../call/call.js'
import type { Chain } from '../model/chain.js'
import { normalPath } from '../model/header.js'
import type { Image } from '../model/image.js'
import { pointMap } from '../model/point-map.js'
import type { PointMap } from '../model/point-map.js'
import { recordedSources } from '../model/record.js'
import { stepProblems } from './check.js'
import type { PlanProblem } from './check.js'
import type { MachinePlan } from './machine-plan.js'
import { diskConflicts } from './open-machine.js'

/**
 * What is wrong with a plan for a machine. `step` counts from 0.
 *
 * - `PartUnconnected`: a part of a disk does not begin where the one before it ended, or the last one does not end as `after` says.
 * - `PointsWrong`: after the last step the points in time are not where `after` has them.
 * - `PointUnheld`: a step names an image that no chain of the plan has.
 * - `PointDropped`: a snapshot goes that the operation has no business with.
 * - `NotThawed`: file systems that are frozen are not thawed in the plan and on every way out.
 * - `RecordNamesGone`: libvirt's record of a snapshot names a file that the plan removes.
 * - `OpenTwice`: a step has a program open what the guest itself has open then, or a storage daemon that another step has started.
 *
 * @since 0.2.0
 */
export type MachinePlanProblem =
  | PlanProblem
  | { readonly _tag: 'PartUnconnected'; readonly disk: string; readonly part: number }
  | { readonly _tag: 'PointsWrong'; readonly snapshot: string; readonly disk: string }
  | { readonly _tag: 'PointUnheld'; readonly step: number; readonly snapshot: string; readonly image: string }
  | { readonly _tag: 'PointDropped'; readonly snapshot: string }
  | { readonly _tag: 'NotThawed'; readonly step: number }
  | { readonly _tag: 'RecordNamesGone'; readonly snapshot: string; readonly path: string }
  | { readonly _tag: 'OpenTwice'; readonly step: number; readonly disk: string; readonly image: string }

const sameChain = (a: Chain | undefined, b: Chain | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.active === b.active &&
    a.images.size === b.images.size &&
    Array.from(a.images.values()).every(({ name, backing }) => {
      const other = b.images.get(name)
      return other !== undefined && other.backing?.image === backing?.image
    }))

const partProblems = ({ before, after, parts }: MachinePlan): ReadonlyArray<MachinePlanProblem> => {
  const at = new Map(before.disks)
  const problems: Array<MachinePlanProblem> = []
  for (const [part, one] of parts.entries()) {
    const { disk } = one.before
    if (!sameChain(at.get(disk), one.before)) problems.push({ _tag: 'PartUnconnected', disk, part })
    at.set(disk, one.after)
  }
  for (const [disk, chain] of after.disks)
    if (!sameChain(at.get(disk), chain)) problems.push({ _tag: 'PartUnconnected', disk, part: parts.length })
  return problems
}

const differences = (found: PointMap, wanted: PointMap): ReadonlyArray<MachinePlanProblem> =>
  Array.from(new Set([...found.keys(), ...wanted.keys()])).flatMap((snapshot) => {
    const [is, shall] = [found.get(snapshot), wanted.get(snapshot)]
    if (is === undefined || shall === undefined) return [{ _tag: 'PointsWrong', snapshot, disk: '' } as const]
    return Array.from(new Set([...is.keys(), ...shall.keys()])).flatMap((disk) => {
      const [here, there] = [is.get(disk), shall.get(disk)]
      const same = here?.image === there?.image && here?.held === there?.held && here?.sizeBytes === there?.sizeBytes
      return same ? [] : [{ _tag: 'PointsWrong', snapshot, disk } as const]
    })
  })

/** Where nothing has to be done, a snapshot that goes is gone with the plan. */
const pointsAtEnd = ({ before, after, steps }: MachinePlan): PointMap =>
  steps.at(-1)?.points ?? new Map(Array.from(pointMap(before)).filter(([name]) => after.snapshots.has(name)))

const pointProblems = (plan: MachinePlan): ReadonlyArray<MachinePlanProblem> => {
  const chains = [...plan.before.disks.values(), ...plan.after.disks.values(), ...plan.parts.map(({ after }) => after)]
  const names = new Set(chains.flatMap(({ disk, images }) => Array.from(images.keys(), (name) => `${disk}\0${name}`)))
  const unheld = plan.steps.flatMap(({ points }, step) =>
    Array.from(points).flatMap(([snapshot, places]) =>
      Array.from(places).flatMap(([disk, { image }]) =>
        names.has(`${disk}\0${image}`) ? [] : [{ _tag: 'PointUnheld', step, snapshot, image } as const],
      ),
    ),
  )
  return [...unheld, ...differences(pointsAtEnd(plan), pointMap(plan.after))]
}

const droppers: ReadonlySet<MachinePlan['operation']> = new Set(['delete', 'forget', 'revert'])

const dropProblems = ({ operation, before, after }: MachinePlan): ReadonlyArray<MachinePlanProblem> =>
  droppers.has(operation)
    ? []
    : Array.from(before.snapshots.keys())
        .filter((snapshot) => !after.snapshots.has(snapshot))
        .map((snapshot) => ({ _tag: 'PointDropped', snapshot }))

const isCall = (call: Call, agent: string, function_: string): boolean =>
  (call._tag === 'Agent' && call.command.execute === agent) ||
  (call._tag === 'Libvirt' && call.function.call === function_)

const freezeProblems = ({ steps, finally: cleanups }: MachinePlan): ReadonlyArray<MachinePlanProblem> =>
  steps.flatMap(({ call }, step) => {
    if (!isCall(call, 'guest-fsfreeze-freeze', 'virDomainFSFreeze')) return []
    const isThaw = (one: { readonly call: Call }): boolean => isCall(one.call, 'guest-fsfreeze-thaw', 'virDomainFSThaw')
    const planned = steps.slice(step + 1).some(isThaw)
    const always = cleanups.some((cleanup) => cleanup.from <= step && isThaw(cleanup.step))
    return planned && always ? [] : [{ _tag: 'NotThawed', step }]
  })

const recordProblems = ({ steps, after }: MachinePlan): ReadonlyArray<MachinePlanProblem> => {
  const gone = new Set(
    steps.flatMap(({ call }) => (call._tag === 'Files' && call.operation === 'remove' ? [normalPath(call.path)] : [])),
  )
  return Array.from(after.snapshots.values()).flatMap(({ name, recorded }) =>
    (['domain', 'inactiveDomain'] as const).flatMap((definition) =>
      Array.from(recordedSources(recorded, definition).values()).flatMap(({ path, below }) =>
        [path, ...below.map((image) => image.path)].flatMap((one) =>
          one !== undefined && gone.has(normalPath(one))
            ? [{ _tag: 'RecordNamesGone', snapshot: name, path: one } as const]
            : [],
        ),
      ),
    ),
  )
}

/** Files of memory are no images: nothing has to be seen of a chain before they go, and no image holds what they do. */
const imageProblems = (plan: MachinePlan, images: ReadonlyArray<Image>): ReadonlyArray<MachinePlanProblem> =>
  stepProblems({ steps: plan.steps, images, begins: 'flushed' }).filter(
    (problem) =>
      (problem._tag !== 'RemovedUnseen' && problem._tag !== 'RemovedUnflushed') ||
      !plan.unlinked.includes(problem.path),
  )

const openProblems = (plan: MachinePlan): ReadonlyArray<MachinePlanProblem> =>
  diskConflicts(plan, new Map(), () => () => []).map(({ step, disk, image }) => ({
    _tag: 'OpenTwice',
    step,
    disk,
    image,
  }))

/**
 * Judges a plan for a machine, whoever made it, and gives every problem that it finds; none for a plan of this library.
 *
 * It looks at the plan alone: that the parts of each disk are connected, that the points in time end where `after` has them and
 * are in images that are there, that file systems are thawed on every way out, that no record names a file that goes, and
 * of the steps what {@link checkPlan} looks at. Whether the calls do what the plan says is for the simulator.
 *
 * @example
 * import { capabilitiesOfVersions, checkMachinePlan, deleteSnapshots, machine, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v' }]] as const }]
 * const plan = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots })),
 *   E.flatMap((vm) => deleteSnapshots(vm, { snapshots: ['monday'] }, host)),
 * )
 * E.isRight(plan) ? checkMachinePlan(plan.right) : plan.left // => []
 *
 * @since 0.2.0
 */
export const checkMachinePlan = (plan: MachinePlan): ReadonlyArray<MachinePlanProblem> => {
  const images = Array.from(plan.after.disks.values()).flatMap((chain) => Array.from(chain.images.values()))
  return [
    ...partProblems(plan),
    ...pointProblems(plan),
    ...dropProblems(plan),
    ...freezeProblems(plan),
    ...recordProblems(plan),
    ...openProblems(plan),
    ...imageProblems(plan, images),
  ]
}
