// A pretend host from a picture, calls in short, and pictures back out of it.

import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'

import type { LibvirtCall, QmpCommand, XmlElement } from 'backing-chain'
import { layerOfPattern, parseChain, patternOfLayer } from 'backing-chain'
import type { Fault, SimStep, Trace, World, WorldOptions } from 'backing-chain/simulate'
import { recordedQemus } from '../operation/schema.js'
import { endOf, fileAt, fileView, guestView, run, worldOf } from 'backing-chain/simulate'

export const right = <L, R>(either: E.Either<L, R>): R => {
  if (E.isLeft(either))
    throw new Error(
      `unexpected ${JSON.stringify(either.left, (key, value: unknown) => (key === 'world' ? '...' : value))}`,
    )
  return either.right
}

export interface HostOptions extends Partial<WorldOptions> {
  readonly nodes?: 'monitor' | 'implicit'
  readonly headers?: 'absolute' | 'relative'
  readonly directory?: string
}

/** A host on which the picture is real, with its guest running; `name-format` and `name-storage` are the nodes. */
export const host = (picture: string, options: HostOptions = {}): World => {
  const { nodes = 'monitor', guest = 'running', headers = 'absolute', directory = '/images' } = options
  const parsed = right(
    parseChain(picture, {
      headers,
      directory,
      ...(guest === 'shut-off' || options.domain !== undefined ? {} : { nodes }),
    }),
  )
  return right(worldOf(parsed.chain, parsed.contents, { ...options, guest }))
}

/** The same chain, shut off. */
export const shutOff = (picture: string, options: HostOptions = {}): World =>
  host(picture, { ...options, guest: 'shut-off' })

const recent = recordedQemus.find(({ version }) => version === '10.0')

/** A step through the monitor; a command that QEMU 10.0 would not even read is a mistake of the test. */
export const qmp = (command: QmpCommand, until?: SimStep['until']): SimStep => {
  expect(recent?.problemsOfCommand(command)).toStrictEqual([])
  return { call: { _tag: 'Qmp', command }, ...(until === undefined ? {} : { until }) }
}

export const img = (...args: ReadonlyArray<string>): SimStep => ({
  call: { _tag: 'QemuImg', argv: ['qemu-img', ...args] },
})

export const at = (job: string, status: 'ready' | 'pending' | 'concluded'): SimStep['until'] => ({
  _tag: 'QmpJob',
  job,
  status,
})

export const node = (name: string): string => `${name}-format`

export const complete = qmp({ execute: 'job-complete', arguments: { id: 'j' } }, at('j', 'concluded'))
export const keep = qmp({ execute: 'block-job-cancel', arguments: { device: 'j' } }, at('j', 'concluded'))
export const finalize = qmp({ execute: 'job-finalize', arguments: { id: 'j' } }, at('j', 'concluded'))
export const dismiss = qmp({ execute: 'job-dismiss', arguments: { id: 'j' } })
export const stop = qmp({ execute: 'stop' })
export const cont = qmp({ execute: 'cont' })

export interface CommitOptions {
  readonly device: string
  readonly top?: string
  readonly base: string
  readonly header?: string
}

export const commitJob = ({ device, top, base, header }: CommitOptions, until = at('j', 'concluded')): SimStep =>
  qmp(
    {
      execute: 'block-commit',
      arguments: {
        'job-id': 'j',
        device: node(device),
        ...(top === undefined ? {} : { 'top-node': node(top) }),
        'base-node': node(base),
        ...(header === undefined ? {} : { 'backing-file': header }),
        'auto-dismiss': false,
      },
    },
    until,
  )

/** An intermediate commit, waited for and dismissed. */
export const commitMiddle = (options: CommitOptions): ReadonlyArray<SimStep> => [commitJob(options), dismiss]

/** A commit of the active image, pivoted. */
export const commitActive = (options: Omit<CommitOptions, 'top'>): ReadonlyArray<SimStep> => [
  commitJob(options, at('j', 'ready')),
  complete,
  dismiss,
]

export const streamJob = (
  into: string,
  base: string | undefined,
  more: object = {},
  until = at('j', 'concluded'),
): SimStep =>
  qmp(
    {
      execute: 'block-stream',
      arguments: {
        'job-id': 'j',
        device: node(into),
        ...(base === undefined ? {} : { 'base-node': node(base), 'backing-file': `/images/${base}` }),
        'auto-dismiss': false,
        ...more,
      },
    },
    until,
  )

export const stream = (into: string, base?: string): ReadonlyArray<SimStep> => [streamJob(into, base), dismiss]

/** Runs steps that must not fail. */
export const after = (world: World, steps: ReadonlyArray<SimStep>): World => {
  const trace = run(world, steps)
  expect(
    trace.fault,
    JSON.stringify(trace.fault?.fault, (key, value: unknown) => (key === 'world' ? '...' : value)),
  ).toBeUndefined()
  return endOf(trace)
}

/** Runs steps of which the last must fail. */
export const faultOf = (world: World, steps: ReadonlyArray<SimStep>): Fault => {
  const trace: Trace = run(world, steps)
  if (trace.fault === undefined) throw new Error('no fault')
  return trace.fault.fault
}

/** The text of the refusal in which the last of some steps ends. */
export const refusalOf = (world: World, steps: ReadonlyArray<SimStep>): string => {
  const fault = faultOf(world, steps)
  return fault._tag === 'Refused' ? fault.desc : `${fault._tag}: ${fault.desc}`
}

/** What an image itself stores on disk. */
export const own = (world: World, name: string): string => {
  const file = fileAt(world, name.startsWith('/') ? name : `/images/${name}`)
  return file === undefined ? 'gone' : patternOfLayer(file.layer)
}

/** What is read from an image on disk through its header. */
export const seen = (world: World, name: string): string =>
  patternOfLayer(right(fileView(world, name.startsWith('/') ? name : `/images/${name}`)))

export const guest = (world: World): string => {
  const view = guestView(world)
  return view === undefined ? 'cannot start' : patternOfLayer(view)
}

/** The backing string and format of an image's header. */
export const header = (world: World, name: string): string => {
  const stored = fileAt(world, name.startsWith('/') ? name : `/images/${name}`)?.header
  return stored === undefined ? 'none' : `${stored.string} ${stored.format ?? 'unrecorded'}`
}

/** One cluster that the guest writes. */
export const clusterAt = (index: number, source: string) => {
  const run = layerOfPattern('-'.repeat(index) + source).runs[0]
  if (run === undefined) throw new Error('no run')
  return run
}

export const element = (
  name: string,
  attributes: XmlElement['attributes'] = {},
  children: XmlElement['children'] = [],
): XmlElement => ({ name, attributes, children })

/** A libvirt function on the domain `vm`, and the event of its disk that it waits for. */
export const libvirt = (call: LibvirtCall, status?: 'ready' | 'completed' | 'canceled'): SimStep => ({
  call: { _tag: 'Libvirt', function: call },
  ...(status === undefined ? {} : { until: { _tag: 'LibvirtJob', disk: 'vda', status } }),
})
