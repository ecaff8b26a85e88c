import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'

import {
  capabilitiesOfVersions,
  contentsAfter,
  equalViews,
  printChain,
  shellLine,
  viewOf,
  virshLine,
} from '../../src/index.js'
import type { Contents } from '../../src/index.js'
import type { Call } from '../../src/call/call.js'
import type { Machine } from '../../src/model/machine.js'
import { machineProblems } from '../../src/model/machine-check.js'
import { pointMap } from '../../src/model/point-map.js'
import { pointsAfter } from '../../src/operation/machine-lane.js'
import type { RevertRequest } from '../../src/operation/machine-request.js'
import { revert } from '../../src/operation/revert.js'
import type { MachineHost } from '../../src/plan/machine-host.js'
import { checkMachinePlan } from '../../src/plan/check-machine.js'
import type { MachinePlan } from '../../src/plan/machine-plan.js'
import type { MachineRefusal } from '../../src/plan/machine-refusal.js'

import { machineWorldOf } from '../../src/simulate/machine-world-of.js'
import { guestOf, machineIncidents } from '../../src/simulate/machine-world.js'
import type { MachineWorld } from '../../src/simulate/machine-world.js'
import { endOfMachine, runMachine } from '../../src/simulate/machine-trace.js'
import { guestViews, machineFileView, metadataOf } from '../../src/simulate/machine-observe.js'
import { locationString } from '../../src/model/location.js'

import type { Built } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

export const throughLibvirt = { via: 'libvirt', capabilities } as const satisfies MachineHost
export const throughQemuImg = { via: 'qemu-img', capabilities } as const satisfies MachineHost
export const throughQmp = { via: 'qmp', capabilities } as const satisfies MachineHost

const viewIn = (machine: Machine, contents: Contents, at: { readonly disk: string; readonly image: string }) => {
  const chain = machine.disks.get(at.disk)
  return chain === undefined ? undefined : viewOf(chain, contents, at.image)
}

/** What each disk's images store after the plan. */
export const storedAfter = ({ parts }: MachinePlan, built: Built): ReadonlyMap<string, Contents> => {
  const contents = new Map(built.contents)
  for (const part of parts)
    contents.set(part.before.disk, contentsAfter(part, contents.get(part.before.disk) ?? new Map()))
  return contents
}

/** The guest reads the point in time, every snapshot that is left reads as before, and the map says so at the end. */
export const expectTrue = (plan: MachinePlan, built: Built, to: string): void => {
  const { before, after } = plan
  const stored = storedAfter(plan, built)
  const same = (disk: string, old: string, now: string): void => {
    const was = viewIn(before, built.contents.get(disk) ?? new Map(), { disk, image: old })
    const is = viewIn(after, stored.get(disk) ?? new Map(), { disk, image: now })
    expect(was !== undefined && is !== undefined && equalViews(was, is), `${disk}: ${old} as ${now}`).toBe(true)
  }
  expect(machineProblems(after)).toStrictEqual([])
  expect(checkMachinePlan(plan)).toStrictEqual([])
  expect(after.current).toBe(to)
  const target = before.snapshots.get(to)
  for (const [disk, chain] of after.disks) {
    const held = target?.disks.get(disk)
    if (held?.mode === 'external') same(disk, held.frozen ?? '', chain.active)
    else same(disk, before.disks.get(disk)?.active ?? '', chain.active)
  }
  for (const [name, places] of pointMap(after)) {
    const were = Array.from(pointMap(before).get(name) ?? []).filter(([disk]) => after.disks.has(disk))
    expect(places).toStrictEqual(new Map(were))
    for (const [disk, { held, image }] of places) if (held === 'frozen') same(disk, image, image)
  }
  const all = pointsAfter(plan, new Set(plan.steps.keys()))
  const held = Array.from(all ?? []).filter(([, places]) => places.size > 0)
  expect(new Map(held)).toStrictEqual(new Map(Array.from(pointMap(after)).filter(([, places]) => places.size > 0)))
}

export const worldFor = (machine: Machine, contents: ReadonlyMap<string, Contents>, clockSeconds = 0): MachineWorld => {
  const world = machineWorldOf(machine, contents, { clockSeconds })
  if (E.isLeft(world)) throw new Error(JSON.stringify(world.left))
  return world.right
}

/** The steps, done one by one, end where the plan says; and on the way no point in time is anywhere but where the map says. */
export const expectDone = (plan: MachinePlan, built: Built, clockSeconds = 0): void => {
  const { before, after } = plan
  const trace = runMachine(worldFor(before, built.contents, clockSeconds), plan.steps)
  expect(trace.fault).toBeUndefined()
  const end = endOfMachine(trace)
  expect(machineIncidents(end)).toStrictEqual([])
  const wanted = worldFor(after, storedAfter(plan, built))
  expect(guestOf(end)).toBe(after.state)
  if (plan.via === 'libvirt') {
    expect(metadataOf(end)).toStrictEqual(metadataOf(wanted))
    const views = guestViews(end)
    for (const [disk, view] of guestViews(wanted)) expect(views.get(disk)).toStrictEqual(view)
  }
  for (const { step, machine } of trace.moments.slice(1)) expectPoints(plan, built, { step, machine })
}

const expectPoints = (
  plan: MachinePlan,
  built: Built,
  { step, machine }: { readonly step: number; readonly machine: MachineWorld },
): void => {
  for (const [name, places] of plan.steps[step]?.points ?? []) {
    for (const [disk, { held, image }] of places) {
      const chain = plan.before.disks.get(disk)
      const location = chain?.images.get(image)?.location
      const was = chain && viewOf(chain, built.contents.get(disk) ?? new Map(), image)
      const is = machineFileView(
        machine,
        location === undefined ? '' : locationString(location),
        held === 'inside' ? name : undefined,
      )
      expect(E.isRight(is) && was !== undefined && equalViews(was, is.right), `${name} on ${disk} at ${step}`).toBe(
        true,
      )
    }
  }
}

/** A plan, with its law checked by the theorem alone: for what the pretend machine does not know, or does not have. */
export const plannedRevert = (
  built: Built,
  request: RevertRequest,
  host: MachineHost = throughLibvirt,
): MachinePlan => {
  const result = revert(built.machine, request, host)
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left))
  expectTrue(result.right, built, request.to)
  return result.right
}

/** A plan, with its law checked, and done step by step. */
export const reverted = (built: Built, request: RevertRequest, host: MachineHost = throughLibvirt): MachinePlan => {
  const plan = plannedRevert(built, request, host)
  expectDone(plan, built, request.seconds)
  return plan
}

export const refusedRevert = (
  { machine }: Pick<Built, 'machine'>,
  request: RevertRequest,
  host: MachineHost = throughLibvirt,
): MachineRefusal => {
  const result = revert(machine, request, host)
  if (E.isRight(result)) throw new Error('no refusal')
  return result.left
}

/** The chains of a machine, by disk. */
export const pictures = ({ disks }: Machine): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from(disks, ([target, chain]) => [target, printChain(chain)]))

const lineOf = (call: Call): string => {
  const line = call._tag === 'Libvirt' ? virshLine(call.function) : shellLine(call)
  return line.replace(/^printf %s '.*' \| /, '')
}

/** The calls of a plan as somebody would type them, after the lane that each is in; XML is left out. */
export const lanes = ({ steps }: MachinePlan): ReadonlyArray<string> =>
  steps.map(({ disk = '---', call }) => `${disk}: ${lineOf(call)}`)
