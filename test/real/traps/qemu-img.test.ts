// qemu-img's traps, sprung on purpose for a guest that is shut off.

import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { commit, copy, pull } from 'backing-chain'
import type { Plan, Refusal } from 'backing-chain'
import { fileOf, headerOf, on, shown } from '../harness/forced.js'
import { runPlan, type Stage } from '../harness/stage.js'
import { qemuImgStage } from '../harness/stage-qemu-img.js'
import { right } from '../harness/tree.js'
import { binary, qemuVersions } from '../lab/binaries.js'
import { readCells } from '../lab/images.js'
import { runOk } from '../lab/exec.js'

const tagOf = (planned: E.Either<Refusal, Plan>): string => (E.isLeft(planned) ? planned.left._tag : 'a plan')

describe.each(qemuVersions)('traps of qemu-img %s', (version) => {
  const qemuImg = (...words: ReadonlyArray<string>): Promise<string> => runOk([binary(version, 'qemu-img'), ...words])
  const newIn = (stage: Stage) =>
    ({ name: 'new', format: 'qcow2', location: { _tag: 'File', path: join(stage.tree.folder, 'new') } }) as const

  it('a commit of a short top with rebase -u shows old data of the base; refused, and a pull does', async () => {
    const tree = 'base[aaaaaaaa] <- a[-bb-] <- top[c-------]^'
    await on(qemuImgStage(tree, { version }), async (stage) => {
      expect(tagOf(commit(stage.chain, { top: 'a' }, stage.hypervisor))).toBe('ShortImageExposesBase')
      await qemuImg('commit', '-d', fileOf(stage.tree, 'a'))
      await qemuImg('rebase', '-u', '-F', 'qcow2', '-b', fileOf(stage.tree, 'base'), fileOf(stage.tree, 'top'))
      expect(await shown(stage.tree, 'top')).toBe('cbbaaaaa')
    })
    await on(qemuImgStage(tree, { version }), async (stage) => {
      await runPlan(stage, right(pull(stage.chain, { into: 'top', base: 'base' }, stage.hypervisor)))
    })
  })

  it('qemu-img commit of a shared base changes what the sibling shows; refused', async () => {
    await on(qemuImgStage('base[aaaa] <- (a[-b--]^, s[---s])', { version }), async (stage) => {
      expect(tagOf(commit(stage.chain, { top: 'a', end: 'pivot' }, stage.hypervisor))).toBe('ImageShared')
      await qemuImg('commit', fileOf(stage.tree, 'a'))
      expect(await shown(stage.tree, 's')).toBe('abas')
    })
  })

  it('qemu-img commit with no base goes into the own backing file, and empties the top; plans name both ends', async () => {
    await on(qemuImgStage('base[aaaa] <- a[-b--] <- top[--c-]^', { version }), async (stage) => {
      await qemuImg('commit', fileOf(stage.tree, 'top'))
      expect(await shown(stage.tree, 'a')).toBe('abca')
      expect(await shown(stage.tree, 'base')).toBe('aaaa')
      const plan = right(commit(stage.chain, { top: 'a' }, stage.hypervisor))
      const [first] = plan.steps
      expect(first?.call._tag === 'QemuImg' ? first.call.argv : []).toContain('-b')
      expect(first?.call._tag === 'QemuImg' ? first.call.argv : []).toContain('-d')
    })
  })

  it('convert -B with a backing file that shows something else drops data; the plan assumes SameContents', async () => {
    await on(qemuImgStage('base[aaaa] <- a[-b--] <- top[--c-]^', { version }), async (stage) => {
      const planned = copy(
        stage.chain,
        { to: newIn(stage), depth: 'shallow', onto: 'base', end: 'pivot' },
        stage.hypervisor,
      )
      expect(right(planned).assumes).toContainEqual({ _tag: 'SameContents', left: 'a', right: 'base' })
      const base = fileOf(stage.tree, 'base')
      await qemuImg(
        'convert',
        '-O',
        'qcow2',
        '-B',
        base,
        '-F',
        'qcow2',
        fileOf(stage.tree, 'top'),
        newIn(stage).location.path,
      )
      expect(await shown(stage.tree, 'top')).toBe('abca')
      expect(await readCells(newIn(stage).location.path, 'qcow2')).toBe('aaca')
    })
  })

  it('rebase -u to an image that shows something else changes what is read; plans use it only after a commit', async () => {
    await on(qemuImgStage('base[aaaa] <- a[-b--] <- top[--c-]^', { version }), async (stage) => {
      await qemuImg('rebase', '-u', '-F', 'qcow2', '-b', fileOf(stage.tree, 'base'), fileOf(stage.tree, 'top'))
      expect(await shown(stage.tree, 'top')).toBe('aaca')
      expect(await headerOf(stage.tree, 'top')).toBe(fileOf(stage.tree, 'base'))
    })
  })

  it('cut after each of its steps, a plan with qemu-img loses nothing', async () => {
    const tree = 'base[aa----------] <- a[bbb-bb-0b--b] <- b[-c-0c--c-0cc] <- top[--d-0-d--0-d]^'
    const plans: ReadonlyArray<(stage: Stage) => E.Either<Refusal, Plan>> = [
      ({ chain, hypervisor }) => commit(chain, { top: 'b', base: 'base', leftovers: 'remove' }, hypervisor),
      ({ chain, hypervisor }) => pull(chain, { into: 'top', base: 'base', leftovers: 'remove' }, hypervisor),
      ({ chain, hypervisor }) => pull(chain, { into: 'top', leftovers: 'remove' }, hypervisor),
    ]
    for (const planned of plans)
      for (let steps = 0, all = 1; steps <= all; steps++)
        await on(qemuImgStage(tree, { version }), async (stage) => {
          const plan = right(planned(stage))
          all = plan.steps.length
          for (const { call } of plan.steps.slice(0, steps)) await stage.host.call(call)
          expect(await shown(stage.tree, 'top')).toBe('bcd00bdcb0cd')
        })
  })
})
