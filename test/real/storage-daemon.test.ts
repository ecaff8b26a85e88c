// Every named case in a qemu-storage-daemon, for a guest that is shut off; and that plans for one, cut anywhere, lose nothing.

import { join } from 'node:path'
import type * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { commit, copy, pull } from 'backing-chain'
import type { Chain, Hypervisor, Plan, Refusal, Step } from 'backing-chain'
import { casesFor } from './cases.js'
import { qemuImgCall } from './harness/files.js'
import { on } from './harness/forced.js'
import { runCase } from './harness/run-case.js'
import { storageDaemonStage, type DaemonStage } from './harness/stage-storage-daemon.js'
import { execute } from './harness/steps.js'
import { pathOf, right } from './harness/tree.js'
import { qemuVersions, type QemuVersion } from './lab/binaries.js'
import { startDaemon } from './lab/daemon.js'
import { readCells } from './lab/images.js'
import { fields, list, text } from './lab/json.js'
import type { Qmp } from './lab/qmp.js'

describe.each(qemuVersions)('in a storage daemon, QEMU %s', (version) => {
  for (const one of casesFor('storage-daemon'))
    it(one.name, async () => {
      await runCase(one, storageDaemonStage(one.tree, { version, ...one.options }))
    })
})

const tree = 'base[aa----------] <- a[bbb-bb-0b--b] <- b[-c-0c--c-0cc] <- top[--d-0-d--0-d]^'
const guestSees = 'bcd00bdcb0cd'

type Planned = (chain: Chain, hypervisor: Hypervisor, at: (name: string) => string) => E.Either<Refusal, Plan>

const newAt = (path: string) => ({ name: 'new', format: 'qcow2', location: { _tag: 'File', path } }) as const

const plans: ReadonlyArray<readonly [string, Planned]> = [
  ['a pull of everything', (chain, by) => pull(chain, { into: 'top', leftovers: 'remove' }, by)],
  ['a pull to the base', (chain, by) => pull(chain, { into: 'top', base: 'base', leftovers: 'remove' }, by)],
  ['a pull into the middle', (chain, by) => pull(chain, { into: 'b', leftovers: 'remove' }, by)],
  ['a commit', (chain, by) => commit(chain, { top: 'b', base: 'base', leftovers: 'remove' }, by)],
  [
    'a commit of the active image',
    (chain, by) => commit(chain, { top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }, by),
  ],
  [
    'a copy in full',
    (chain, by, at) => copy(chain, { to: newAt(at('new')), depth: 'full', end: 'pivot', leftovers: 'remove' }, by),
  ],
  [
    'a shallow copy',
    (chain, by, at) => copy(chain, { to: newAt(at('new')), depth: 'shallow', end: 'pivot', leftovers: 'remove' }, by),
  ],
]

interface Cut {
  readonly steps: number
  readonly inside: 'yes' | 'no'
}

/** The image that the next start is given, as the plan says. */
const startsWith = (plan: Plan, steps: number): { readonly path: string; readonly format: string } => {
  const told = plan.assumes.some((one) => one._tag === 'StartsWith' && steps >= one.from)
  const chain = told ? plan.after : plan.before
  const image = chain.images.get(chain.active)
  if (image?.location._tag !== 'File') throw new Error('no active image')
  return { path: image.location.path, format: image.format }
}

/** Whether a lock keeps others from writing to an image: header-only writes ask for it too. */
const openBySomebody = (path: string, version: QemuVersion): Promise<string> =>
  qemuImgCall({ _tag: 'QemuImg', argv: ['qemu-img', 'check', '-r', 'leaks', path] }, version).then(
    () => 'no',
    (error: unknown) => String(error),
  )

/** Executes so many steps, and then makes the next one's call where there is one to be cut, waiting for nothing; kills. */
const cut = async (version: QemuVersion, planned: Planned, at: Cut): Promise<ReadonlyArray<Step>> => {
  let all: ReadonlyArray<Step> = []
  await on(storageDaemonStage(tree, { version }), async (stage) => {
    const plan = right(planned(stage.chain, stage.hypervisor, (name) => join(stage.tree.folder, name)))
    all = plan.steps
    const next = at.inside === 'yes' ? plan.steps[at.steps] : undefined
    await execute({ steps: plan.steps.slice(0, at.steps) }, stage.host)
    if (next?.call._tag === 'Qmp') await stage.host.call(next.call)
    await stage.host.kill()
    const { path, format } = startsWith(plan, at.steps)
    expect({ at, cells: await readCells(path, format) }).toEqual({ at, cells: guestSees })
  })
  return all
}

describe.each(qemuVersions)('killed at any step, QEMU %s', (version) => {
  it.each(plans)('%s loses nothing', async (_, planned) => {
    const steps = await cut(version, planned, { steps: 0, inside: 'no' })
    for (let count = 1; count <= steps.length; count++) {
      await cut(version, planned, { steps: count, inside: 'no' })
      await cut(version, planned, { steps: count, inside: 'yes' })
    }
  })
})

describe.each(qemuVersions)('broken off at any step and told to quit, QEMU %s', (version) => {
  const broken = async (planned: Planned, count: number): Promise<number> => {
    let steps = 0
    await on(storageDaemonStage(tree, { version }), async (stage) => {
      const plan = right(planned(stage.chain, stage.hypervisor, (name) => join(stage.tree.folder, name)))
      steps = plan.steps.length
      await execute({ steps: plan.steps.slice(0, count) }, stage.host)
      for (const { from, step } of plan.finally ?? [])
        if (from < count) await execute({ steps: [step] }, stage.host).catch(() => expect(step.failure).toBeDefined())
      const { path, format } = startsWith(plan, count)
      expect({ count, cells: await readCells(path, format) }).toEqual({ count, cells: guestSees })
      expect(await openBySomebody(path, version)).toBe('no')
    })
    return steps
  }

  it.each(plans.slice(0, 5))('%s loses nothing, and leaves nobody behind', async (_, planned) => {
    const steps = await broken(planned, 0)
    for (let count = 1; count <= steps; count++) await broken(planned, count)
  })
})

describe.each(qemuVersions)('what a storage daemon is, QEMU %s', (version) => {
  const opened = async (act: (qmp: Qmp, stage: DaemonStage) => Promise<void>): Promise<void> =>
    on(storageDaemonStage(tree, { version }), async (stage) => {
      const [start] = right(pull(stage.chain, { into: 'top' }, stage.hypervisor)).steps
      if (start?.call._tag !== 'StorageDaemon' || start.until?._tag !== 'Daemon') throw new Error('no daemon')
      const daemon = await startDaemon(start.call.argv, start.until.socket, version)
      try {
        await act(daemon.qmp, stage)
      } finally {
        await daemon.kill()
      }
    })

  it('has every command that plans for it use, and lacks those that the simulator says it lacks', () =>
    opened(async (qmp) => {
      const names = new Set(list(await qmp.ask('query-commands')).map((one) => text(fields(one)['name'])))
      const used = [
        ...['block-commit', 'block-stream', 'blockdev-mirror', 'blockdev-create', 'blockdev-add', 'blockdev-reopen'],
        ...['job-complete', 'job-finalize', 'job-dismiss', 'block-job-cancel', 'query-jobs', 'quit'],
        ...['query-named-block-nodes', 'query-block'],
      ]
      expect(used.filter((name) => !names.has(name))).toEqual([])
      const absent = ['stop', 'cont', 'query-status', 'snapshot-save', 'snapshot-load', 'snapshot-delete']
      expect(absent.filter((name) => names.has(name))).toEqual([])
      expect(await qmp.ask('query-block')).toEqual([])
    }))

  it('keeps qemu-img from its images', () =>
    opened(async (_, { tree: { images } }) => {
      const paths = images.map(pathOf)
      const argvs = [
        ['info', paths.at(-1) ?? ''],
        ['rebase', '-u', '-f', 'qcow2', '-b', '', paths[1] ?? ''],
      ]
      for (const argv of argvs) {
        const done = qemuImgCall({ _tag: 'QemuImg', argv: ['qemu-img', ...argv] }, version)
        await expect(done).rejects.toThrow('Is another process using the image')
      }
    }))

  it('keeps qemu-img from what is inside an image too, and would take it out itself', () =>
    on(storageDaemonStage(tree, { version }), async (stage) => {
      const { steps } = right(pull(stage.chain, { into: 'top' }, stage.hypervisor))
      const [start] = steps
      if (start?.call._tag !== 'StorageDaemon' || start.until?._tag !== 'Daemon') throw new Error('no daemon')
      const path = stage.tree.images.map(pathOf).at(-1) ?? ''
      const snapshot = (verb: string) =>
        qemuImgCall({ _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', verb, 'export', path] }, version)
      await snapshot('-c')
      const daemon = await startDaemon(start.call.argv, start.until.socket, version)
      try {
        await expect(snapshot('-d')).rejects.toThrow('Is another process using the image')
        const [device] = steps.flatMap(({ call }) =>
          call._tag === 'Qmp' && call.command.execute === 'block-stream' ? [call.command.arguments.device] : [],
        )
        const gone = await daemon.qmp.ask('blockdev-snapshot-delete-internal-sync', { device, name: 'export' })
        expect(text(fields(gone)['name'])).toBe('export')
      } finally {
        await daemon.kill()
      }
      await expect(snapshot('-d')).rejects.toThrow('snapshot not found')
    }))

  it('loses what was pulled where nothing flushes it before the header changes', () =>
    on(storageDaemonStage(tree, { version }), async (stage) => {
      const { steps } = right(pull(stage.chain, { into: 'top' }, stage.hypervisor))
      const finalize = steps.findIndex(({ call }) => call._tag === 'Qmp' && call.command.execute === 'job-finalize')
      const isFlush = ({ call }: Step): boolean => call._tag === 'Qmp' && call.command.execute === 'blockdev-reopen'
      await execute({ steps: steps.slice(0, finalize + 1).filter((step) => !isFlush(step)) }, stage.host)
      await stage.host.kill()
      const image = stage.tree.images.find(({ name }) => name === 'top')
      expect(await readCells(image === undefined ? '' : pathOf(image), 'qcow2')).toBe('00d000d0000d')
    }))
})
