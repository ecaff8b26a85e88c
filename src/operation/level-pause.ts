import type { Cleanup, Step } from '../plan/plan.js'
import { libvirtFreeze } from './dialect/libvirt-take.js'
import { agentFreeze } from './dialect/qmp-take.js'
import { libvirt, qmp } from './dialect/step.js'
import type { LevelJob } from './level-unfit.js'
import type { Draft } from './machine-lane.js'
import { frozenAround, thawAlways } from './take-lane.js'

const stopping = 'the guest stands still, and QEMU writes out what it has held back: no copy has that otherwise'
const going = 'the guest goes on'
const goesAlready = 'the guest runs already'

/** Steps before and after those for which the guest stands still, and those that are taken on every way out. */
export interface Around {
  readonly before: ReadonlyArray<Draft>
  readonly after: ReadonlyArray<Draft>
  readonly cleanups: ReadonlyArray<Cleanup>
}

export const resumeStep = ({ machine, host }: LevelJob): Step =>
  host.via === 'libvirt'
    ? libvirt({ call: 'virDomainResume', arguments: { domain: machine.name }, flags: [] }, going)
    : qmp({ execute: 'cont' }, going)

const stopSteps = ({ machine, host }: LevelJob): ReadonlyArray<Step> => {
  if (host.via === 'qmp') return [qmp({ execute: 'stop' }, stopping)]
  // Asked to suspend a guest that is paused, libvirt does nothing: see `HeldBack`.
  if (machine.state !== 'running') return []
  return [libvirt({ call: 'virDomainSuspend', arguments: { domain: machine.name }, flags: [] }, stopping)]
}

/** Whether file systems are frozen: a guest that is paused has no agent that answers. */
export const freezes = ({ machine, request, host }: LevelJob): 'no' | 'require' | 'prefer' => {
  const { quiesce = 'no' } = request
  if (machine.state !== 'running' || quiesce === 'no') return 'no'
  return quiesce === 'prefer' && host.agent === 'absent' ? 'no' : quiesce
}

const freezing = (job: LevelJob): Around => {
  const how = freezes(job)
  const freeze = { freeze: how === 'no' ? 'none' : how } as const
  const steps = job.host.via === 'libvirt' ? libvirtFreeze(job.machine.name) : agentFreeze
  const both = frozenAround(freeze, steps, [])
  return { before: both.slice(0, 1), after: both.slice(1), cleanups: thawAlways(freeze, steps, both) }
}

/** Has the guest stand still, its file systems frozen where that is asked for; a guest that did not run stays as it is. */
export const pausedAround = (job: LevelJob): Around => {
  if (job.machine.state === 'shut-off') return { before: [], after: [], cleanups: [] }
  const frozen = freezing(job)
  const from = frozen.before.length
  const stop = stopSteps(job).map((step) => ({ step }))
  const resume = job.machine.state === 'running' ? [resumeStep(job)] : []
  return {
    before: [...frozen.before, ...stop],
    after: [...resume.map((step) => ({ step })), ...frozen.after],
    cleanups: [...resume.map((step) => ({ from, step: { ...step, failure: goesAlready } })), ...frozen.cleanups],
  }
}

/** The guest that a snapshot with memory has left paused goes on; `from` is the step that takes it. */
export const resumedAfter = (job: LevelJob, from: number): Around => {
  const resume = job.machine.state === 'running' ? [resumeStep(job)] : []
  return {
    before: [],
    after: resume.map((step) => ({ step })),
    cleanups: resume.map((step) => ({ from, step: { ...step, failure: goesAlready } })),
  }
}
