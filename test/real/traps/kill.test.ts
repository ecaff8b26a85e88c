// kill -9: what is lost where nothing flushes, and that our plans, cut anywhere, lose nothing.

import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { addOverlay, commit, copy, patternOfLayer, pull, viewOf } from 'backing-chain'
import type { Chain, Hypervisor, Plan, Refusal, Step } from 'backing-chain'
import { fileOf, headerOf, nodeOf, on, shown, untilJob } from '../harness/forced.js'
import { isMoment } from '../harness/stage.js'
import { execute } from '../harness/steps.js'
import { qmpStage, type QmpStage } from '../harness/stage-qmp.js'
import { right } from '../harness/tree.js'
import { qemuVersions, type QemuVersion } from '../lab/binaries.js'
import { readCells } from '../lab/images.js'
import { flushDisk, writeCell } from '../lab/writer.js'

const tree = 'base[aa----------] <- a[bbb-bb-0b--b] <- b[-c-0c--c-0cc] <- top[--d-0-d--0-d]^'
const guestSees = 'bcd00bdcb0cd'

type Planned = (chain: Chain, hypervisor: Hypervisor, at: (name: string) => string) => E.Either<Refusal, Plan>

const newAt = (path: string) => ({ name: 'new', format: 'qcow2', location: { _tag: 'File', path } }) as const

const plans: ReadonlyArray<readonly [string, Planned]> = [
  ['a pull of everything', (chain, on) => pull(chain, { into: 'top', leftovers: 'remove' }, on)],
  ['a pull to the base', (chain, on) => pull(chain, { into: 'top', base: 'base', leftovers: 'remove' }, on)],
  ['a pull into the middle', (chain, on) => pull(chain, { into: 'b', leftovers: 'remove' }, on)],
  ['a commit', (chain, on) => commit(chain, { top: 'b', base: 'base', leftovers: 'remove' }, on)],
  [
    'an active commit with pivot',
    (chain, on) => commit(chain, { top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }, on),
  ],
  ['an active commit that is kept', (chain, on) => commit(chain, { top: 'top', base: 'a', end: 'keep' }, on)],
  [
    'a copy in full',
    (chain, on, at) => copy(chain, { to: newAt(at('new')), depth: 'full', end: 'pivot', leftovers: 'remove' }, on),
  ],
  [
    'a shallow copy',
    (chain, on, at) => copy(chain, { to: newAt(at('new')), depth: 'shallow', end: 'pivot', leftovers: 'remove' }, on),
  ],
  ['a new overlay', (chain, on, at) => addOverlay(chain, { overlay: newAt(at('new')) }, on)],
]

/** The image that the next start is given: the new active one from the step on at which the guest goes there. */
const startsWith = (plan: Plan, steps: number): { readonly path: string; readonly format: string } => {
  const gone = plan.steps.slice(0, steps).some(isMoment)
  const chain = gone ? plan.after : plan.before
  const image = chain.images.get(chain.active)
  if (image?.location._tag !== 'File') throw new Error('no active image')
  return { path: image.location.path, format: image.format }
}

/** The guest writes into its disk and flushes; then what it sees is promised to it. */
const guestWrites = async ({ guest }: QmpStage): Promise<void> => {
  if (guest === undefined) return
  await writeCell(guest.monitor, guest.qdev, { cell: 1, value: 'G' })
  await flushDisk(guest.monitor, guest.qdev)
}

/** Executes so many steps, and then makes the next one's call where it starts a job, waiting for nothing; kills. */
const cut = async (version: QemuVersion, planned: Planned, at: Cut): Promise<ReadonlyArray<Step>> => {
  let all: ReadonlyArray<Step> = []
  await on(qmpStage(tree, { version }), async (stage) => {
    const plan = right(planned(stage.chain, stage.hypervisor, (name) => join(stage.tree.folder, name)))
    all = plan.steps
    const next = at.inside === 'yes' ? plan.steps[at.steps] : undefined
    await guestWrites(stage)
    await execute({ steps: plan.steps.slice(0, at.steps) }, stage.host)
    if (next !== undefined) await stage.host.call(next.call)
    await stage.qemu.kill()
    const { path, format } = startsWith(plan, at.steps)
    expect({ at, cells: await readCells(path, format) }).toEqual({ at, cells: `bG${guestSees.slice(2)}` })
  })
  return all
}

interface Cut {
  readonly steps: number
  readonly inside: 'yes' | 'no'
}

/** Starts strace on a process that runs, and waits until it has hold of it. */
const attach = async (argv: ReadonlyArray<string>, pid: number): Promise<{ readonly end: () => Promise<void> }> => {
  const [program = 'strace', ...words] = argv
  const child = spawn(program, words, { stdio: 'ignore' })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => {
      resolve()
    })
  })
  const held = async (): Promise<boolean> =>
    /TracerPid:\t[1-9]/.test(await readFile(`/proc/${String(pid)}/status`, 'utf8'))
  for (const deadline = Date.now() + 10_000; !(await held()); await delay(10))
    if (Date.now() > deadline) throw new Error('strace does not get hold of QEMU')
  await delay(100)
  const end = async (): Promise<void> => {
    await Promise.race([ended, delay(1000)])
    child.kill('SIGKILL')
    await ended
  }
  return { end }
}

describe.each(qemuVersions)('kill -9, QEMU %s', (version) => {
  it('what the guest sees is what the theorem says', async () => {
    await on(qmpStage(tree, { version }), async ({ chain, tree: { contents } }) => {
      const view = viewOf(chain, contents)
      expect(view === undefined ? undefined : patternOfLayer(view)).toBe(guestSees)
      await Promise.resolve()
    })
  })

  it('after a pull without a flush, what was pulled reads as zeroes', async () => {
    await on(qmpStage(tree, { version }), async (stage) => {
      await stage.qemu.qmp.ask('block-stream', { 'job-id': 'forced', device: nodeOf(stage, 'top') })
      await stage.qemu.qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED')
      await stage.qemu.kill()
      expect(await headerOf(stage.tree, 'top')).toBe(undefined)
      expect(await shown(stage.tree, 'top')).toBe('00d000d0000d')
    })
  })

  it('after a pull to a base without a flush, the base shows where something was pulled', async () => {
    await on(qmpStage(tree, { version }), async (stage) => {
      const nodes = { device: nodeOf(stage, 'top'), 'base-node': nodeOf(stage, 'base') }
      const header = { 'backing-file': fileOf(stage.tree, 'base') }
      await stage.qemu.qmp.ask('block-stream', { 'job-id': 'forced', ...nodes, ...header })
      await stage.qemu.qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED')
      await stage.qemu.kill()
      expect(await shown(stage.tree, 'top')).toBe('aad000d0000d')
    })
  })

  it('a pull that has completed without a flush is repaired by a flush before the kill', async () => {
    await on(qmpStage(tree, { version }), async (stage) => {
      await stage.qemu.qmp.ask('block-stream', { 'job-id': 'forced', device: nodeOf(stage, 'top') })
      await stage.qemu.qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED')
      await stage.qemu.qmp.ask('stop')
      await stage.qemu.kill()
      expect(await shown(stage.tree, 'top')).toBe(guestSees)
    })
  })

  /** QEMU under strace, which kills it at its first fdatasync from the moment on at which it is told to finalize. */
  const underStrace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync']

  it.each([
    ['loses data where nothing flushed before it', [], 'bcd000d0000d'],
    ['loses nothing after the flush of our plan', ['stop', 'cont'], guestSees],
  ] as const)('killed inside job-finalize, a commit %s', async (_, before, cells) => {
    const inject = ['-e', 'inject=fdatasync:signal=SIGKILL:when=1']
    await on(qmpStage(tree, { version }), async (stage) => {
      const { qmp, pid } = stage.qemu
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'b'), 'base-node': nodeOf(stage, 'base') }
      const header = { 'backing-file': fileOf(stage.tree, 'base') }
      await qmp.ask('block-commit', { 'job-id': 'forced', ...nodes, ...header, 'auto-finalize': false })
      await untilJob(qmp, 'forced', 'pending')
      for (const command of before) await qmp.ask(command)
      const strace = await attach([...underStrace, ...inject, '-p', String(pid)], pid)
      await qmp.execute({ execute: 'job-finalize', arguments: { id: 'forced' } }).catch(() => undefined)
      await strace.end()
      await stage.qemu.kill()
      expect(await shown(stage.tree, 'top')).toBe(cells)
    })
  })

  for (const [name, planned] of plans)
    it(`${name}, cut after each of its steps, loses nothing`, async () => {
      const steps = await cut(version, planned, { steps: 0, inside: 'no' })
      for (const [index, { until }] of steps.entries()) {
        if (until?._tag === 'QmpJob') await cut(version, planned, { steps: index, inside: 'yes' })
        await cut(version, planned, { steps: index + 1, inside: 'no' })
      }
    })
})
