import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'

import {
  capabilitiesOfVersions,
  equalViews,
  explainMachineRefusal,
  printChain,
  shellLine,
  viewOf,
  virshLine,
} from '../../src/index.js'
import type { Call } from '../../src/index.js'
import type { Machine } from '../../src/model/machine.js'
import { pointMap } from '../../src/model/point-map.js'
import { recordedSources, sourcesOfDomain } from '../../src/model/record.js'
import type { XmlElement } from '../../src/model/xml.js'
import type { TakeRequest } from '../../src/operation/machine-request.js'
import { take } from '../../src/operation/take.js'
import { contentsAfter } from '../../src/plan/contents.js'
import { checkMachinePlan } from '../../src/plan/check-machine.js'
import type { MachineHost } from '../../src/plan/machine-host.js'
import type { MachinePlan } from '../../src/plan/machine-plan.js'
import type { MachineRefusal } from '../../src/plan/machine-refusal.js'

import { vm } from './machine.js'
import type { Built, Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

export const throughLibvirt: MachineHost = { via: 'libvirt', capabilities }
export const throughQmp: MachineHost = { via: 'qmp', capabilities }
export const throughQemuImg: MachineHost = { via: 'qemu-img', capabilities }

/** The machine that each dialect is for: managed or not, with nodes or without, running or shut off. */
export const builtFor = (host: MachineHost, of: Vm): Built => {
  if (host.via === 'libvirt') return vm(of)
  if (host.via === 'qmp') return vm({ ...of, records: 'none', nodes: 'monitor' })
  return vm({ ...of, records: 'none', state: 'shut-off' })
}

export const taken = (machine: Machine, request: TakeRequest, host: MachineHost = throughLibvirt): MachinePlan => {
  const plan = take(machine, request, host)
  if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
  return plan.right
}

export const refusedTake = (
  machine: Machine,
  request: TakeRequest,
  host: MachineHost = throughLibvirt,
): MachineRefusal => {
  const plan = take(machine, request, host)
  if (E.isRight(plan)) throw new Error(`no refusal: ${linesOf(plan.right).join('\n')}`)
  return plan.left
}

const lineOf = (call: Call): string => (call._tag === 'Libvirt' ? virshLine(call.function) : shellLine(call))

/** The calls of a plan as somebody would type them. */
export const linesOf = ({ steps }: Pick<MachinePlan, 'steps'>): ReadonlyArray<string> =>
  steps.map(({ call }) => lineOf(call))

/** The chains of a machine as pictures, by disk. */
export const pictures = ({ disks }: Machine): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from(disks, ([disk, chain]) => [disk, printChain(chain)]))

/** Which image holds which disk at which point in time. */
export const points = (machine: Machine): Readonly<Record<string, Readonly<Record<string, string>>>> =>
  Object.fromEntries(
    Array.from(pointMap(machine), ([name, places]) => [
      name,
      Object.fromEntries(Array.from(places, ([disk, { image }]) => [disk, image])),
    ]),
  )

/** The paths that a domain names for each disk, uppermost first. */
export const sources = (domain: XmlElement | undefined): Readonly<Record<string, ReadonlyArray<string>>> =>
  Object.fromEntries(
    Array.from(sourcesOfDomain(domain), ([disk, { path = '', below }]) => [
      disk,
      [path, ...below.map((image) => image.path)],
    ]),
  )

/** The same of the definition that a snapshot's record has stored. */
export const recorded = (
  record: XmlElement | undefined,
  of: 'domain' | 'inactiveDomain' = 'domain',
): Readonly<Record<string, ReadonlyArray<string>>> =>
  Object.fromEntries(
    Array.from(recordedSources(record, of), ([disk, { path = '', below }]) => [
      disk,
      [path, ...below.map((image) => image.path)],
    ]),
  )

/** Everything that holds for every plan, whatever was asked. */
export const expectLaws = (plan: MachinePlan, { contents }: Pick<Built, 'contents'>): void => {
  expect(checkMachinePlan(plan)).toStrictEqual([])
  const last = plan.steps[plan.steps.length - 1]
  expect(last?.points).toStrictEqual(pointMap(plan.after))
  for (const part of plan.parts) {
    const before = contents.get(part.before.disk) ?? new Map()
    const after = contentsAfter(part, before)
    const views = [viewOf(part.before, before), viewOf(part.after, after)] as const
    expect(views[0] !== undefined && views[1] !== undefined && equalViews(views[0], views[1])).toBe(true)
  }
  const freezes = plan.steps.flatMap(({ call }, at) => (isFreeze(call) ? [at] : []))
  const thaws = plan.steps.filter(({ call }) => isThaw(call))
  expect(thaws).toHaveLength(freezes.length)
  // A job that saves memory is dismissed on every way out.
  const others = plan.finally.filter(
    ({ step: { call } }) => !(call._tag === 'Qmp' && call.command.execute === 'job-dismiss'),
  )
  expect(others.map(({ from, step }) => [from, isThaw(step.call)])).toStrictEqual(freezes.map((at) => [at, true]))
}

export const isFreeze = (call: Call): boolean =>
  (call._tag === 'Agent' && call.command.execute === 'guest-fsfreeze-freeze') ||
  (call._tag === 'Libvirt' && call.function.call === 'virDomainFSFreeze')

export const isThaw = (call: Call): boolean =>
  (call._tag === 'Agent' && call.command.execute === 'guest-fsfreeze-thaw') ||
  (call._tag === 'Libvirt' && call.function.call === 'virDomainFSThaw')

/** What was planned. */
export const right = <A>(of: E.Either<MachineRefusal, A>): A => {
  if (E.isLeft(of)) throw new Error(explainMachineRefusal(of.left))
  return of.right
}

/** Why nothing was planned. */
export const left = (of: E.Either<MachineRefusal, unknown>): MachineRefusal => {
  if (E.isRight(of)) throw new Error('planned')
  return of.left
}
