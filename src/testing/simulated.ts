import * as E from 'fp-ts/lib/Either.js'

import type { Run } from '../content/run.js'
import { emptyLayer, equalLayers, layer, solid } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { override } from '../content/override.js'
import { equalViews } from '../content/view.js'
import { patternOfLayer } from '../content/pattern.js'
import type { Chain } from '../model/chain.js'
import { activeImage } from '../model/chain-query.js'
import { isFormat } from '../model/format.js'
import { locationString } from '../model/location.js'
import { printChain } from '../model/notation.js'
import { contentsAfter, viewOf } from '../plan/contents.js'
import type { Contents } from '../plan/contents.js'
import type { Plan } from '../plan/plan.js'
import {
  endOf,
  fileAt,
  fileView,
  guestView,
  kill,
  killsFinalizing,
  liveChain,
  observeChain,
  perform,
  run,
  start,
  withOutside,
  worldOf,
} from '../simulate/index.js'
import type { Moment, Trace, World, WorldOptions } from '../simulate/index.js'
import { sameAsAssumed } from './law.js'

/**
 * How the guest behaves meanwhile: what it writes, in turn, each time that something has happened. `outside` is how somebody has
 * which files open, by path.
 */
export interface Meanwhile {
  readonly guest: WorldOptions['guest']
  readonly writes?: ReadonlyArray<Run>
  readonly progressBytes?: number
  readonly outside?: ReadonlyMap<string, 'read' | 'write'>
}

const fail = (plan: Plan, contents: Contents, what: string): never => {
  const steps = plan.steps.map(({ call }) => JSON.stringify(call)).join('\n')
  throw new Error(`${what}\n${printChain(plan.before, { contents })}  =>  ${printChain(plan.after)}\n${steps}`)
}

/** The libvirt domain that a plan through libvirt is for. */
const domainOf = (plan: Plan): Pick<WorldOptions, 'domain'> =>
  plan.via === 'libvirt' ? { domain: { name: domainName(plan), definition: 'persistent' } } : {}

const domainName = (plan: Plan): string => {
  for (const { call } of plan.steps) if (call._tag === 'Libvirt') return call.function.arguments.domain
  return 'guest'
}

/** The files that a plan relies on, made as it says. */
const madeBefore = (plan: Plan, world: World): World =>
  plan.assumes.reduce((at, assumption) => {
    const image = assumption._tag === 'MadeBefore' ? plan.after.images.get(assumption.image) : undefined
    if (image === undefined) return at
    const backing = image.backing === undefined ? [] : ['-b', image.backing.header, '-F', image.backing.format]
    const argv = [
      'create',
      '-f',
      image.format,
      '-u',
      ...backing,
      locationString(image.location),
      String(image.sizeBytes),
    ]
    const made = perform(at, { _tag: 'QemuImg', argv: ['qemu-img', ...argv] })
    if (E.isLeft(made)) throw new Error(`not made: ${JSON.stringify(made.left)}`)
    return made.right
  }, world)

/** The world of a plan's `before`, and the plan run in it. */
export const simulate = (plan: Plan, contents: Contents, meanwhile: Meanwhile): Trace => {
  const world = worldOf(plan.before, contents, { guest: meanwhile.guest, ...domainOf(plan) })
  if (E.isLeft(world)) throw new Error(`no world: ${JSON.stringify(world.left)}`)
  const writes = [...(meanwhile.writes ?? [])].reverse()
  const opened = Array.from(meanwhile.outside ?? []).reduce(
    (at, [path, access]) => withOutside(at, path, access),
    madeBefore(plan, world.right),
  )
  return run(opened, plan.steps, {
    ...(meanwhile.progressBytes === undefined ? {} : { progressBytes: meanwhile.progressBytes }),
    writes: () => {
      const next = writes.pop()
      return next === undefined ? [] : [next]
    },
  })
}

const written = (on: Layer, runs: ReadonlyArray<Run>): Layer =>
  runs.reduce((below, one) => {
    const upper = layer(below.sizeBytes, [one])
    return E.isRight(upper) ? override(below, upper.right) : below
  }, on)

const shown = (of: Layer | undefined): string => (of === undefined ? 'nothing' : patternOfLayer(of))

/** The guest reads what it read at first, with what it has written since, at every moment. */
const assertGuestView = (plan: Plan, contents: Contents, trace: Trace): Layer => {
  let expected = viewOf(plan.before, contents) ?? emptyLayer(0)
  for (const moment of trace.moments) {
    if (moment.run !== undefined) expected = written(expected, [moment.run])
    const seen = guestView(worldToRead(plan, moment))
    if (seen === undefined || !equalViews(seen, expected))
      fail(
        plan,
        contents,
        `after ${moment.what} of step ${moment.step} the guest reads ${shown(seen)} and not ${shown(expected)}`,
      )
  }
  return expected
}

/** A guest that is off is looked at as the caller would start it: once all is done, with the new active image. */
const worldToRead = (plan: Plan, { world, step }: Pick<Moment, 'world' | 'step'>): World => {
  const told = plan.assumes.some((assumption) => assumption._tag === 'StartsWith' && step >= assumption.from)
  if (world.qemu !== undefined || !told) return world
  const { location, format } = activeImage(plan.after)
  return { ...world, boot: { ...world.boot, path: locationString(location), format, backingStore: [] } }
}

/** Every image of `after` is there, and reads as the algebra says; the active one with what the guest has written. */
const assertViews = (plan: Plan, contents: Contents, end: { readonly world: World; readonly guest: Layer }): void => {
  const after = contentsAfter(plan, contents)
  const quit = { ...end.world, qemu: undefined }
  for (const image of plan.after.images.values()) {
    if (plan.fates.get(image.name)?.includes('invalid') === true) continue
    const expected = image.name === plan.after.active ? end.guest : viewOf(plan.after, after, image.name)
    const seen = fileView(quit, locationString(image.location))
    if (E.isLeft(seen)) fail(plan, contents, `${image.name} cannot be read: ${JSON.stringify(seen.left)}`)
    else if (expected === undefined || !equalLayers(solid(seen.right), solid(expected)))
      fail(plan, contents, `${image.name} reads ${shown(seen.right)} and not ${shown(expected)}`)
  }
}

/** Every point in time that the caller named is where the plan says, with its bytes, whatever the guest has written. */
const assertPoints = (plan: Plan, contents: Contents, world: World): void => {
  for (const { point, before, after } of plan.points) {
    const image = plan.after.images.get(after)
    const expected = viewOf(plan.before, contents, before)
    const seen =
      image === undefined ? undefined : fileView({ ...world, qemu: undefined }, locationString(image.location))
    if (seen === undefined || E.isLeft(seen) || expected === undefined || !equalViews(seen.right, expected))
      fail(plan, contents, `the point in time ${point} is not in ${after}`)
  }
}

/** What two chains have to agree in: names, sizes, formats, backing strings, nodes, and which image is active. */
const facts = (chain: Chain): ReadonlyArray<string> => [
  `active ${chain.active}`,
  ...Array.from(chain.images.values(), ({ name, format, sizeBytes, backing, node }) =>
    JSON.stringify([
      name,
      format,
      sizeBytes,
      backing ?? null,
      node === undefined ? null : [node.format, node.storage, node.filters],
    ]),
  ).sort(),
]

/** The chain is the one that the plan promised. */
const assertChain = (plan: Plan, contents: Contents, world: World): void => {
  const observed = observeChain(worldToRead(plan, { world, step: plan.steps.length }), plan.after)
  if (E.isLeft(observed)) return fail(plan, contents, `the chain is none: ${JSON.stringify(observed.left)}`)
  const names = new Set(plan.after.images.keys())
  const extra = Array.from(observed.right.images.keys()).filter((name) => !names.has(name))
  if (extra.length > 0) fail(plan, contents, `the chain also reads ${extra.join(', ')}`)
  const seen = facts(observed.right)
  const wrong = facts(plan.after).filter((fact) => !seen.includes(fact))
  if (wrong.length > 0) fail(plan, contents, `promised ${wrong.join('; ')}, and it is ${seen.join('; ')}`)
}

/** Files go exactly where the plan says `removed`. */
const assertFiles = (plan: Plan, contents: Contents, world: World): void => {
  for (const image of plan.before.images.values()) {
    const there = fileAt(world, locationString(image.location)) !== undefined
    const gone = plan.fates.get(image.name)?.some((fate) => fate === 'removed' || fate === 'renamed') === true
    if (there === gone) fail(plan, contents, `the file of ${image.name} is ${there ? 'still there' : 'gone'}`)
  }
  if (world.incidents.length > 0) fail(plan, contents, `incidents: ${JSON.stringify(world.incidents)}`)
}

/**
 * Throws unless the pretend hypervisor, given a plan's calls, does what the plan says.
 *
 * The guest reads the same at every moment, with what it writes meanwhile; nothing faults; every image of `after` reads as
 * the algebra says, and is named, sized, formatted and backed as it says; every named point in time has its bytes where the
 * plan says; files go where they should and nowhere else.
 *
 * @since 0.1.0
 */
export const assertPlanSimulates = (plan: Plan, contents: Contents, meanwhile: Meanwhile): void => {
  if (!sameAsAssumed(plan, contents)) return
  const trace = simulate(plan, contents, meanwhile)
  if (trace.fault !== undefined)
    return fail(
      plan,
      contents,
      `step ${trace.fault.step} faults: ${JSON.stringify(trace.fault.fault, ['_tag', 'by', 'desc'])}`,
    )
  const guest = assertGuestView(plan, contents, trace)
  const world = endOf(trace)
  if (meanwhile.writes === undefined) assertViews(plan, contents, { world, guest })
  assertPoints(plan, contents, world)
  assertChain(plan, contents, world)
  assertFiles(plan, contents, world)
}

/** The guest of a world whose QEMU is dead, started again: from libvirt's definition, or from the image that it used. */
export const viewAgain = (dead: World, used: World): Layer | undefined => {
  const active = liveChain(used).at(-1)
  const source =
    dead.boot.keeper === 'caller' && active !== undefined && isFormat(active.format)
      ? { path: active.path, format: active.format }
      : undefined
  const started = start(dead, source)
  return E.isRight(started) ? guestView(started.right) : undefined
}

/** True where the next thing that happens is the call that finalizes a job. */
const finalizesNext = (plan: Plan, trace: Trace, index: number): boolean => {
  const [moment, next] = [trace.moments[index], trace.moments[index + 1]]
  const call = next === undefined ? undefined : plan.steps[next.step]?.call
  return (
    next?.what === 'call' &&
    next.step !== moment?.step &&
    call?._tag === 'Qmp' &&
    call.command.execute === 'job-finalize'
  )
}

/** What a kill can leave at a moment: between two calls, and inside the one that finalizes a job. */
const deadAt = (plan: Plan, trace: Trace, index: number): ReadonlyArray<World> => {
  const world = trace.moments[index]?.world
  if (world === undefined) return []
  return [kill(world), ...(finalizesNext(plan, trace, index) ? killsFinalizing(world) : [])]
}

/**
 * Throws unless the guest, killed with its QEMU at any moment of a plan and started again, reads what it read; a moment
 * is also the middle of the call that finalizes a job, with the header rewritten and nothing flushed since.
 *
 * A plan through libvirt is excused where it assumes `NoKillBeforeFlush`, between the end of its job and the flush.
 *
 * @since 0.1.0
 */
export const assertPlanSurvivesKill = (plan: Plan, contents: Contents, meanwhile: Meanwhile): void => {
  if (!sameAsAssumed(plan, contents) || plan.assumes.some(({ _tag }) => _tag === 'NoKillBeforeFlush')) return
  const trace = simulate(plan, contents, meanwhile)
  let expected = viewOf(plan.before, contents) ?? emptyLayer(0)
  for (const [index, moment] of trace.moments.entries()) {
    if (moment.run !== undefined) expected = written(expected, [moment.run])
    for (const dead of deadAt(plan, trace, index)) {
      const seen = viewAgain(worldToRead(plan, { world: dead, step: moment.step }), moment.world)
      if (seen === undefined || !equalViews(seen, expected))
        fail(
          plan,
          contents,
          `killed after ${moment.what} of step ${moment.step}, the guest reads ${shown(seen)} and not ${shown(expected)}`,
        )
    }
  }
}
