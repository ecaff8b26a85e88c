// What happens to a rename that is broken off, and what a plain `mv` does instead.

import { access, mkdir, rename as mv } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commit, rename } from 'backing-chain'
import type { Plan, RenameRequest } from 'backing-chain'
import { fileOf, on, shown } from '../harness/forced.js'
import { execute } from '../harness/steps.js'
import type { Stage } from '../harness/stage.js'
import { qemuImgStage } from '../harness/stage-qemu-img.js'
import { right } from '../harness/tree.js'
import { runOk } from '../lab/exec.js'
import { binary, qemuVersions } from '../lab/binaries.js'
import { readCells } from '../lab/images.js'

const tree = 'base[aaaa] <- a[-b--] <- (top[--c-]^, s[---s])'
const views = { base: 'aaaa', a: 'abaa', top: 'abca', s: 'abas' } as const

const isThere = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Every image by the path that it has left: the old one as long as it is there. */
const expectAll = async (
  { tree: { images }, version }: Stage,
  moved: { readonly name: string; readonly to: string },
) => {
  const found: Record<string, string> = {}
  for (const { name, location, format } of images) {
    const old = location._tag === 'File' ? location.path : ''
    const path = name !== moved.name || (await isThere(old)) ? old : moved.to
    found[name] = await readCells(path, format, { version })
  }
  expect(found).toEqual(views)
}

const planOn = ({ tree: { folder }, chain, hypervisor }: Stage, { to, ...request }: RenameRequest): Plan =>
  right(rename(chain, { ...request, to: join(folder, to) }, hypervisor))

describe.each(qemuVersions)('a rename with qemu-img %s', (version) => {
  it.each(['absolute', 'relative'] as const)(
    'broken off after any step leaves everything readable, %s',
    async (headers) => {
      for (const [name, to] of [
        ['a', 'v'],
        ['a', 'x/y/v'],
        ['top', 'x/y/v'],
      ] as const)
        await on(qemuImgStage(tree, { version, headers }), async (stage) => {
          await mkdir(join(stage.tree.folder, 'x/y'), { recursive: true })
          const plan = planOn(stage, { image: name, to })
          const moved = { name, to: join(stage.tree.folder, to) }
          await execute(plan, stage.host, { after: () => expectAll(stage, moved) })
        })
    },
  )

  it('over a file that is there, or in another file system, fails at once, and nothing has changed', async () => {
    await on(qemuImgStage(tree, { version }), async (stage) => {
      const onto = right(
        rename(stage.chain, { image: 'a', to: '/dev/shm/bc-rename', found: 'nothing' }, stage.hypervisor),
      )
      await expect(execute(onto, stage.host)).rejects.toThrow(/step 1 .*EXDEV/)
      await mv(fileOf(stage.tree, 's'), join(stage.tree.folder, 'v'))
      await expect(execute(planOn(stage, { image: 'a', to: 'v' }), stage.host)).rejects.toThrow(/step 1 .*EEXIST/)
      await mv(join(stage.tree.folder, 'v'), fileOf(stage.tree, 's'))
      await expectAll(stage, { name: 'a', to: '' })
    })
  })

  it('is no mv: overlays would have nothing to read', async () => {
    await on(qemuImgStage(tree, { version }), async (stage) => {
      await mv(fileOf(stage.tree, 'a'), join(stage.tree.folder, 'v'))
      await expect(shown(stage.tree, 'top')).rejects.toThrow(/No such file or directory/)
    })
  })

  it('is no mv: from another folder a relative string leads elsewhere', async () => {
    const options = { version, headers: 'relative', folders: { other: 'x' }, files: { other: 'base' } } as const
    await on(qemuImgStage('base[aaaa] <- a[-b--] <- top[--c-]^; other[oooo]', options), async (stage) => {
      const { folder } = stage.tree
      await mv(fileOf(stage.tree, 'top'), join(folder, 'x/top'))
      await expect(readCells(join(folder, 'x/top'), 'qcow2', { version })).rejects.toThrow(/No such file/)
      await mv(join(folder, 'x/top'), fileOf(stage.tree, 'top'))
      await mv(fileOf(stage.tree, 'a'), join(folder, 'x/a'))
      expect(await readCells(join(folder, 'x/a'), 'qcow2', { version })).toBe('oboo')
    })
  })
})

describe.each(qemuVersions)('a commit that enlarges a short top first, qemu-img %s', (version) => {
  it('broken off after any step leaves everything readable', async () => {
    const short = 'base[aaaaaaaa] <- a[-bb-] <- (top[c-------]^, s[----s---])'
    const shall = { top: 'cbba----', s: 'abbas---' }
    await on(qemuImgStage(short, { version }), async (stage) => {
      const plan = right(commit(stage.chain, { top: 'a', short: 'grow', leftovers: 'remove' }, stage.hypervisor))
      await execute(plan, stage.host, {
        after: async () => {
          const found = { top: await shown(stage.tree, 'top'), s: await shown(stage.tree, 's') }
          expect(found).toEqual({ top: shall.top.replaceAll('-', '0'), s: shall.s.replaceAll('-', '0') })
        },
      })
    })
  })

  it.each([
    ['qed', [], 'Block driver does not support requested flags'],
    ['qcow2', ['-o', 'compat=0.10'], 'Failed to zero out new clusters: Operation not supported'],
  ] as const)('cannot be had where what is new would show a longer backing file: %s', async (format, options, text) => {
    await on(qemuImgStage('base[aaaaaaaa]^', { version }), async (stage) => {
      const [a, b] = [join(stage.tree.folder, 'a'), join(stage.tree.folder, 'b')]
      const qemuImg = (...words: ReadonlyArray<string>): Promise<string> =>
        runOk([binary(version, 'qemu-img'), ...words])
      await qemuImg('create', '-f', format, ...options, '-b', fileOf(stage.tree, 'base'), '-F', 'qcow2', a, '256K')
      await qemuImg('create', '-f', 'qcow2', '-b', a, '-F', format, b, '512K')
      await expect(qemuImg('resize', '-f', format, a, '512K')).rejects.toThrow(text)
      await expect(qemuImg('commit', '-f', 'qcow2', '-b', a, '-d', b)).rejects.toThrow('Block job failed')
    })
  })
})
