import type { Call } from '../call/call.js'
import { activeImage } from '../model/chain-query.js'
import { normalPath } from '../model/header.js'
import type { Image } from '../model/image.js'
import { locationString } from '../model/location.js'
import type { Fate } from './fate.js'
import type { Plan, Step } from './plan.js'

/**
 * What is wrong with a plan. `step` counts from 0.
 *
 * @since 0.1.0
 */
export type PlanProblem =
  | { readonly _tag: 'GuestDiskResized'; readonly beforeBytes: number; readonly afterBytes: number }
  | { readonly _tag: 'FateMissing'; readonly image: string }
  | { readonly _tag: 'FateWrong'; readonly image: string; readonly fate: Fate; readonly why: string }
  | { readonly _tag: 'ContentsUnknown'; readonly image: string; readonly from: string }
  | { readonly _tag: 'PointNotHeld'; readonly point: string; readonly image: string }
  | { readonly _tag: 'JobNotAwaited'; readonly step: number; readonly what: string }
  | { readonly _tag: 'JobNotDismissed'; readonly job: string }
  | { readonly _tag: 'ReaderLosesFile'; readonly step: number; readonly path: string; readonly image: string }
  | { readonly _tag: 'RemovedUnseen'; readonly step: number; readonly path: string }
  | { readonly _tag: 'RemovedRelative'; readonly step: number; readonly path: string }
  | { readonly _tag: 'RemovedUnflushed'; readonly step: number; readonly path: string }
  | { readonly _tag: 'GuestLeftPaused'; readonly step: number }
  | { readonly _tag: 'DaemonLeftRunning'; readonly step: number; readonly socket: string }

const sizeProblems = ({ before, after }: Plan): ReadonlyArray<PlanProblem> => {
  const beforeBytes = activeImage(before).sizeBytes
  const afterBytes = activeImage(after).sizeBytes
  return beforeBytes === afterBytes ? [] : [{ _tag: 'GuestDiskResized', beforeBytes, afterBytes }]
}

/** What each fate says about whether the image is there before and after. */
const misplaced = (plan: Plan, image: string, fate: Fate): string | undefined => {
  const was = plan.before.images.has(image)
  const is = plan.after.images.has(image)
  if (fate === 'created') return was || !is ? 'it is not new' : undefined
  if (fate === 'removed' || fate === 'redundant') return is ? 'the chain still has it' : undefined
  if (fate === 'renamed') return undefined
  return fate === 'invalid' || is ? undefined : 'the chain no longer has it'
}

const fateProblems = (plan: Plan): ReadonlyArray<PlanProblem> => {
  const names = new Set([...plan.before.images.keys(), ...plan.after.images.keys()])
  return Array.from(names).flatMap((image): ReadonlyArray<PlanProblem> => {
    const fates = plan.fates.get(image)
    if (fates === undefined) return [{ _tag: 'FateMissing', image }]
    return fates.flatMap((fate) => {
      const why = misplaced(plan, image, fate)
      return why === undefined ? [] : [{ _tag: 'FateWrong', image, fate, why } as const]
    })
  })
}

const contentProblems = (plan: Plan): ReadonlyArray<PlanProblem> =>
  plan.contents.flatMap(({ image, span }) => [
    ...(plan.after.images.has(image) ? [] : [{ _tag: 'ContentsUnknown', image, from: image } as const]),
    ...span
      .filter((from) => !plan.before.images.has(from))
      .map((from) => ({ _tag: 'ContentsUnknown', image, from }) as const),
  ])

const pointProblems = (plan: Plan): ReadonlyArray<PlanProblem> =>
  plan.points
    .filter(({ after }) => !plan.after.images.has(after) || plan.fates.get(after)?.includes('invalid') === true)
    .map(({ point, after }) => ({ _tag: 'PointNotHeld', point, image: after }))

/** What a call starts that goes on after the call has returned. */
const started = (call: Call): string | undefined => {
  if (call._tag === 'Qmp') {
    const { command } = call
    return 'arguments' in command && 'job-id' in command.arguments ? command.arguments['job-id'] : undefined
  }
  const jobs = ['virDomainBlockCommit', 'virDomainBlockPull', 'virDomainBlockRebase', 'virDomainBlockCopy']
  return call._tag === 'Libvirt' && jobs.includes(call.function.call) ? call.function.call : undefined
}

const dismissed = ({ call }: Step): ReadonlyArray<string> =>
  call._tag === 'Qmp' && call.command.execute === 'job-dismiss' ? [call.command.arguments.id] : []

/** What a judge of steps looks at: of the images afterwards only where they are. */
export interface Steps {
  readonly steps: ReadonlyArray<Step>
  readonly images: Iterable<Image>
  /** Whether all that was written before the first step is on disk. */
  readonly begins: 'flushed' | 'unflushed'
}

const stepsOf = ({ steps, after, via, contents }: Plan): Steps => ({
  steps,
  images: after.images.values(),
  begins: via === 'qemu-img' || contents.length === 0 ? 'flushed' : 'unflushed',
})

const jobProblems = ({ steps }: Steps): ReadonlyArray<PlanProblem> => {
  const ended = new Set(steps.flatMap(dismissed))
  return steps.flatMap(({ call, until }, step): ReadonlyArray<PlanProblem> => {
    const what = started(call)
    if (what === undefined) return []
    const waits: ReadonlyArray<PlanProblem> = until === undefined ? [{ _tag: 'JobNotAwaited', step, what }] : []
    return call._tag === 'Qmp' && !ended.has(what) ? [...waits, { _tag: 'JobNotDismissed', job: what }] : waits
  })
}

type Command = 'flush' | 'resume' | 'job' | 'look' | 'other'

/** What a step means for what may come after it. */
const meaning = ({ call, until }: Step): Command => {
  if (until?._tag === 'ChainIs') return 'look'
  if (until?._tag === 'Daemon') return until.status === 'gone' ? 'flush' : 'other'
  if (until !== undefined) return 'job'
  if (call._tag === 'Qmp' && call.command.execute === 'stop') return 'flush'
  if (call._tag === 'Qmp' && call.command.execute === 'cont') return 'resume'
  if (call._tag === 'Libvirt' && call.function.call === 'virDomainSuspend') return 'flush'
  return call._tag === 'Libvirt' && call.function.call === 'virDomainResume' ? 'resume' : 'other'
}

/**
 * Files go only after the chain has been seen, and what replaces them flushed; qemu-img flushes when it ends, and where
 * nothing is written nothing replaces them.
 */
const removalProblems = (plan: Steps): ReadonlyArray<PlanProblem> => {
  const readers = new Map(Array.from(plan.images, ({ name, location }) => [normalPath(locationString(location)), name]))
  const problems: Array<PlanProblem> = []
  let seen = false
  let flushed = plan.begins === 'flushed'
  for (const [step, one] of plan.steps.entries()) {
    const what = meaning(one)
    if (what === 'look') seen = true
    if (what === 'flush') flushed = true
    if (what === 'job') flushed = false
    if (one.call._tag !== 'Files' || one.call.operation !== 'remove') continue
    const { path } = one.call
    const image = readers.get(normalPath(path))
    if (image !== undefined) problems.push({ _tag: 'ReaderLosesFile', step, path, image })
    if (!path.startsWith('/')) problems.push({ _tag: 'RemovedRelative', step, path })
    if (!seen) problems.push({ _tag: 'RemovedUnseen', step, path })
    if (!flushed) problems.push({ _tag: 'RemovedUnflushed', step, path })
  }
  return problems
}

/** A storage daemon that is left running keeps the guest from starting, and what it has not flushed from the disk. */
const daemonProblems = ({ steps }: Steps): ReadonlyArray<PlanProblem> =>
  steps.flatMap(({ until }, step): ReadonlyArray<PlanProblem> => {
    if (until?._tag !== 'Daemon' || until.status !== 'answers') return []
    const { socket } = until
    const ends = ({ call, until: wait }: Step): boolean =>
      call._tag === 'Qmp' && call.command.execute === 'quit' && wait?._tag === 'Daemon' && wait.socket === socket
    return steps.slice(step).some(ends) ? [] : [{ _tag: 'DaemonLeftRunning', step, socket }]
  })

/** A plan that lets the guest go on once lets it go on each time. */
const pauseProblems = ({ steps }: Steps): ReadonlyArray<PlanProblem> => {
  const meanings = steps.map(meaning)
  const step = meanings.lastIndexOf('flush')
  return meanings.includes('resume') && meanings.lastIndexOf('resume') < step ? [{ _tag: 'GuestLeftPaused', step }] : []
}

/** What is wrong with steps by themselves: jobs nobody waits for, files that go too early, a guest left paused, a daemon left. */
export const stepProblems = (of: Steps): ReadonlyArray<PlanProblem> => [
  ...jobProblems(of),
  ...removalProblems(of),
  ...pauseProblems(of),
  ...daemonProblems(of),
]

/**
 * Judges a plan, whoever made it, and gives every problem that it finds; none for a plan of this library.
 *
 * It looks at the plan alone: that the guest's disk keeps its size, that every image has a fate that fits, that every point
 * in time is held by an image that is there, that jobs are awaited and dismissed, that files go only when nobody reads them,
 * after the chain was seen and caches were flushed, that the guest is not left paused and no storage daemon left behind. Linear. Whether the calls do what
 * the plan says is for the simulator.
 *
 * @example
 * import { capabilitiesOfVersions, checkPlan, commit, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- a <- b^')
 * const hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const plan = E.flatMap(parsed, ({ chain }) => commit(chain, { top: 'a' }, hypervisor))
 * E.isRight(plan) ? checkPlan(plan.right) : [] // => []
 *
 * @since 0.1.0
 */
export const checkPlan = (plan: Plan): ReadonlyArray<PlanProblem> => [
  ...sizeProblems(plan),
  ...fateProblems(plan),
  ...contentProblems(plan),
  ...pointProblems(plan),
  ...stepProblems(stepsOf(plan)),
]
