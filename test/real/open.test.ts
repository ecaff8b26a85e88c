// Who has an image open: what QEMU's locks say to each run of qemu-img, and to plans made while somebody reads an image.

import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { commit, judgeCall, pull, type Call, type Opening, type Plan, type Refusal } from 'backing-chain'
import { fileOf, on, signalOf } from './harness/forced.js'
import { qmpStage, type QmpStage } from './harness/stage-qmp.js'
import { execute } from './harness/steps.js'
import { buildTree, chainOf, pathOf, right, type Tree } from './harness/tree.js'
import { binary, qemuVersions, type QemuVersion } from './lab/binaries.js'
import { run, runOk } from './lab/exec.js'
import { hold, release } from './lab/holder.js'

const picture = 'base[aaaa] <- (top[b---]^ <- over[-c--], sib[--d-])'

type Args = ReadonlyArray<string>
type At = (name: string) => string

/** Every subcommand on an image; what it makes goes to `x`. */
const every = (at: At, image: string): ReadonlyArray<Args> => [
  ['info', at(image)],
  ['info', '-U', at(image)],
  ['info', '--backing-chain', at(image)],
  ['snapshot', '-l', at(image)],
  ['snapshot', '-l', '-U', at(image)],
  ['snapshot', '-c', 'made', at(image)],
  ['snapshot', '-a', 'held', at(image)],
  ['snapshot', '-d', 'held', at(image)],
  ['check', at(image)],
  ['check', '-U', at(image)],
  ['map', at(image)],
  ['measure', '-O', 'qcow2', at(image)],
  ['compare', at(image), at(image)],
  ['convert', '-O', 'qcow2', at(image), at('x')],
  ['convert', '-U', '-l', 'held', '-O', 'qcow2', at(image), at('x')],
  ['create', '-q', '-f', 'qcow2', '-b', at(image), '-F', 'qcow2', at('x')],
  ['resize', at(image), '+1M'],
  ['amend', '-o', 'compat=1.1', at(image)],
  ['bitmap', '--add', at(image), 'b'],
  ['create', '-q', '-f', 'qcow2', '-u', at(image), '1M'],
]

/** What is asked of other images than the one that is open. */
const around = (at: At): ReadonlyArray<Args> => [
  ['map', at('sib')],
  ['map', at('over')],
  ['info', '--backing-chain', at('over')],
  ['info', at('over')],
  ['rebase', '-u', '-F', 'qcow2', '-b', at('top'), at('over')],
  ['commit', '-q', '-b', at('base'), at('sib')],
  ['commit', '-q', at('over')],
  ['commit', '-q', at('top')],
  ['rebase', '-b', '', at('over')],
  ['rebase', '-b', '', at('sib')],
]

const isLocked = async (version: QemuVersion, args: Args): Promise<boolean> => {
  const { code, stderr } = await run([binary(version, 'qemu-img'), ...args])
  const locked = stderr.includes('Failed to get')
  expect(locked && code === 0).toBe(false)
  return locked
}

interface Beside {
  readonly version: QemuVersion
  readonly tree: Tree
  readonly guest: 'paused' | 'shut-off'
  readonly opened: ReadonlyArray<Opening>
}

/** Each call is stopped by a lock exactly where the library says that somebody has the image open. */
const agree = async (
  { version, tree, guest, opened }: Beside,
  calls: (at: At) => ReadonlyArray<Args>,
): Promise<void> => {
  const at: At = (name) => (name === 'x' ? join(tree.folder, 'x') : fileOf(tree, name))
  const chain = chainOf(tree)
  const found: Array<string> = []
  const expected: Array<string> = []
  for (const args of calls(at)) {
    const call: Call = { _tag: 'QemuImg', argv: ['qemu-img', ...args] }
    const line = args.join(' ').replaceAll(tree.folder, '')
    expected.push(`${line}: ${judgeCall(call, { chain, guest, opened }).length > 0 ? 'locked' : 'free'}`)
    found.push(`${line}: ${(await isLocked(version, args)) ? 'locked' : 'free'}`)
    await rm(at('x'), { force: true })
    // What a call has done is undone, in the same file: whoever has it open still has.
    if (guest === 'shut-off')
      for (const { name } of tree.images) await copyFile(`${fileOf(tree, name)}.saved`, fileOf(tree, name))
  }
  expect(found).toStrictEqual(expected)
  expect(new Set(found.map((line) => line.split(': ').at(-1)))).toStrictEqual(new Set(['locked', 'free']))
}

const withSnapshots = async (version: QemuVersion, { images }: Tree): Promise<void> => {
  for (const image of images) await runOk([binary(version, 'qemu-img'), 'snapshot', '-c', 'held', pathOf(image)])
}

const resting = async (version: QemuVersion): Promise<Tree> => {
  const tree = await buildTree(await mkdtemp(join(tmpdir(), 'bc-open-')), picture, { version })
  await withSnapshots(version, tree)
  for (const image of tree.images) await copyFile(pathOf(image), `${pathOf(image)}.saved`)
  return tree
}

describe.each(qemuVersions)('qemu-img beside somebody who has an image open, QEMU %s', (version) => {
  it.each(['top', 'base'])('a guest that only stands still has %s open all the same', (image) =>
    on(qmpStage(picture, { version, guest: 'stopped', prepare: (tree) => withSnapshots(version, tree) }), ({ tree }) =>
      agree({ version, tree, guest: 'paused', opened: [] }, (at) => every(at, image)),
    ),
  )

  it('and what others are to its images', () =>
    on(qmpStage(picture, { version, guest: 'stopped', prepare: (tree) => withSnapshots(version, tree) }), ({ tree }) =>
      agree({ version, tree, guest: 'paused', opened: [] }, around),
    ))

  it.each([
    ['top', 'read'],
    ['top', 'write'],
    ['base', 'read'],
    ['base', 'write'],
  ] as const)('a program that has %s open to %s it, and does nothing', async (image, access) => {
    const tree = await resting(version)
    const holder = await hold(version, fileOf(tree, image), access)
    try {
      const opened = [{ image, by: { _tag: 'Tool', name: 'qemu-io' }, access } as const]
      const beside = { version, tree, guest: 'shut-off', opened } as const
      await agree(beside, (at) => [...every(at, image), ...around(at)])
    } finally {
      await release(holder)
      await rm(tree.folder, { recursive: true, force: true })
    }
  })
})

const four = 'base[aaaa] <- a[b---] <- b[-c--] <- top[--d-]^'

interface Forced {
  readonly what: string
  readonly plan: (stage: QmpStage, opened: ReadonlyArray<Opening>) => E.Either<Refusal, Plan>
  readonly reads: string
  readonly says: string
}

const forced: ReadonlyArray<Forced> = [
  {
    what: 'a commit into the base that somebody reads',
    plan: ({ chain, hypervisor }, opened) => commit(chain, { top: 'a', base: 'base' }, { ...hypervisor, opened }),
    reads: 'base',
    says: 'Failed to get "write" lock',
  },
  {
    what: 'a commit of an image that somebody reads',
    plan: ({ chain, hypervisor }, opened) => commit(chain, { top: 'b', base: 'base' }, { ...hypervisor, opened }),
    reads: 'a',
    says: 'Failed to get shared "consistent read" lock',
  },
  {
    what: 'an active commit over an image that somebody reads',
    plan: ({ chain, hypervisor }, opened) =>
      commit(chain, { top: 'top', base: 'a', end: 'pivot' }, { ...hypervisor, opened }),
    reads: 'b',
    says: 'Failed to get shared "consistent read" lock',
  },
  {
    what: 'a pull into an image that somebody reads',
    plan: ({ chain, hypervisor }, opened) => pull(chain, { into: 'b', base: 'base' }, { ...hypervisor, opened }),
    reads: 'b',
    says: 'Failed to get "write" lock',
  },
]

describe.each(qemuVersions)('plans while somebody reads an image, QEMU %s', (version) => {
  it.each(forced)('$what is refused, and QEMU would not begin', ({ plan, reads, says }) =>
    on(qmpStage(four, { version }), async (stage) => {
      const opened = [{ image: reads, by: { _tag: 'Tool', name: 'qemu-io' }, access: 'read' } as const]
      const asked = plan(stage, opened)
      expect(E.isLeft(asked) ? asked.left : undefined).toMatchObject({ _tag: 'ImageOpen', image: reads, step: 0 })
      const holder = await hold(version, fileOf(stage.tree, reads), 'read')
      try {
        await expect(execute(right(plan(stage, [])), stage.host)).rejects.toThrow(says)
      } finally {
        await release(holder)
      }
    }),
  )

  it('a commit under an overlay that somebody reads is refused, and QEMU would die of it', () =>
    on(qmpStage(four, { version }), async (stage) => {
      const { chain, hypervisor } = stage
      const opened = [{ image: 'b', by: { _tag: 'Unknown' }, access: 'read' } as const]
      const asked = commit(chain, { top: 'a', base: 'base' }, { ...hypervisor, opened })
      expect(E.isLeft(asked) ? asked.left : undefined).toMatchObject({ _tag: 'ImageOpen', image: 'b' })
      const holder = await hold(version, fileOf(stage.tree, 'b'), 'read')
      try {
        await expect(
          execute(right(commit(chain, { top: 'a', base: 'base' }, hypervisor)), stage.host),
        ).rejects.toThrow()
        expect(await signalOf(stage.qemu)).toBe('SIGSEGV')
      } finally {
        await release(holder)
      }
    }))

  it('what nobody is in the way of runs beside a reader', () =>
    on(qmpStage(four, { version }), async (stage) => {
      const { chain, hypervisor } = stage
      const opened = [{ image: 'base', by: { _tag: 'Unknown' }, access: 'read' } as const]
      const holder = await hold(version, fileOf(stage.tree, 'base'), 'read')
      try {
        await execute(right(pull(chain, { into: 'b', base: 'base' }, { ...hypervisor, opened })), stage.host)
      } finally {
        await release(holder)
      }
    }))
})
