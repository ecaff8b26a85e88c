import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'

import {
  capabilitiesOfVersions,
  contentsAfter,
  equalViews,
  notation,
  parseChain,
  shellLine,
  viewOf,
  virshLine,
} from '../../src/index.js'
import type {
  Call,
  Chain,
  Contents,
  Hypervisor,
  LibvirtHypervisor,
  ParseOptions,
  Plan,
  Refusal,
} from '../../src/index.js'

import { recordedQemus } from './schema.js'

const recent = recordedQemus.find(({ version }) => version === '10.0')
const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

export const qmp = { via: 'qmp', guest: 'running', capabilities } as const satisfies Hypervisor
export const offline = { via: 'qemu-img', guest: 'shut-off', capabilities } as const satisfies Hypervisor
export const daemon = {
  via: 'storage-daemon',
  guest: 'shut-off',
  capabilities,
  socket: '/run/chain.qmp',
} as const satisfies Hypervisor
export const live: LibvirtHypervisor = {
  via: 'libvirt',
  guest: 'running',
  capabilities,
  domain: { name: 'guest', definition: 'persistent', otherDisks: [] },
}

/** The three dialects in which every operation on the active path can be asked. */
export const everyWay: ReadonlyArray<Hypervisor> = [qmp, live, offline]

export interface Parsed {
  readonly chain: Chain
  readonly contents: Contents
}

/** A chain in notation, with no QEMU that has it open. */
export const atRest = (text: string, options: ParseOptions = {}): Parsed => {
  const result = parseChain(text, options)
  if (E.isLeft(result)) throw new Error(`${text}: ${JSON.stringify(result.left)}`)
  return result.right
}

/** A chain in notation, open in a QEMU whose nodes the monitor owns. */
export const parsed = (text: string, options: ParseOptions = {}): Parsed =>
  atRest(text, { nodes: 'monitor', ...options })

type Operation<Request> = (chain: Chain, request: Request, hypervisor: Hypervisor) => E.Either<Refusal, Plan>

export const planned = <Request>(
  operation: Operation<Request>,
  before: Parsed,
  request: Request,
  hypervisor: Hypervisor = qmp,
): Plan => {
  const result = operation(before.chain, request, hypervisor)
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left))
  if (hypervisor === qmp) expect(recent?.problemsOf(result.right)).toStrictEqual([])
  return result.right
}

export const refused = <Request>(
  operation: Operation<Request>,
  before: Parsed,
  request: Request,
  hypervisor: Hypervisor = qmp,
): Refusal => {
  const result = operation(before.chain, request, hypervisor)
  if (E.isRight(result)) throw new Error(`no refusal: ${notation(result.right).after}`)
  return result.left
}

const readSame = (
  plan: Plan,
  before: Contents,
  images: { readonly before: string; readonly after: string },
): boolean => {
  const old = viewOf(plan.before, before, images.before)
  const now = viewOf(plan.after, contentsAfter(plan, before), images.after)
  return old !== undefined && now !== undefined && equalViews(old, now)
}

/** Picture in, picture out, with the guest's view and every named point in time checked behind it. */
export const expectPlan = (plan: Plan, before: Contents, picture: string): void => {
  expect(notation(plan).after).toBe(picture)
  expect(readSame(plan, before, { before: plan.before.active, after: plan.after.active })).toBe(true)
  for (const point of plan.points) expect(readSame(plan, before, point)).toBe(true)
}

const lineOf = (call: Call): string => (call._tag === 'Libvirt' ? virshLine(call.function) : shellLine(call))

/** The calls of a plan as somebody would type them. */
export const lines = (plan: Plan): ReadonlyArray<string> => plan.steps.map(({ call }) => lineOf(call))
