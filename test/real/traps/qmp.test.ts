// QEMU's traps, sprung on purpose through its monitor, each beside what our plan does on the same images.

import { chmod, chown, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { addOverlay, commit, copy, pull } from 'backing-chain'
import type { Plan, Refusal } from 'backing-chain'
import { fileOf, headerOf, nodeOf, on, runJob, shown, signalOf, untilJob } from '../harness/forced.js'
import { qmpHost } from '../harness/execute-qmp.js'
import { runPlan } from '../harness/stage.js'
import { qmpStage } from '../harness/stage-qmp.js'
import { right } from '../harness/tree.js'
import { qemuVersions } from '../lab/binaries.js'
import { run } from '../lab/exec.js'
import { createImage } from '../lab/images.js'
import { fields, integer, list } from '../lab/json.js'

const tagOf = (planned: E.Either<Refusal, Plan>): string => (E.isLeft(planned) ? planned.left._tag : 'a plan')

const cell = 65536
const letters = 'abcdefghijklmnop'
const deep = [...letters].map((letter, at) => `i${String(at)}[${'-'.repeat(at)}${letter}${'-'.repeat(15 - at)}]`)
const isRoot = process.getuid?.() === 0
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

describe.each(qemuVersions)('traps of QEMU %s', (version) => {
  const short = 'base[aaaaaaaa] <- a[-bb-] <- top[c-------]^'

  it('an intermediate commit of a short top shows old data of the base; refused', async () => {
    await on(qmpStage(short, { version }), async (stage) => {
      const { qmp } = stage.qemu
      expect(tagOf(commit(stage.chain, { top: 'a' }, stage.hypervisor))).toBe('ShortImageExposesBase')
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': nodeOf(stage, 'base') }
      await runJob(qmp, 'block-commit', { ...nodes, 'backing-file': fileOf(stage.tree, 'base') })
      await stage.close()
      expect(await shown(stage.tree, 'top')).toBe('cbbaaaaa')
    })
  })

  it('a pull over a short backing file shows old data of the base; refused', async () => {
    await on(qmpStage(short, { version }), async (stage) => {
      expect(tagOf(pull(stage.chain, { into: 'top', base: 'base' }, stage.hypervisor))).toBe('ShortImageExposesBase')
      const nodes = { device: nodeOf(stage, 'top'), 'base-node': nodeOf(stage, 'base') }
      await runJob(stage.qemu.qmp, 'block-stream', { ...nodes, 'backing-file': fileOf(stage.tree, 'base') })
      await stage.close()
      expect(await shown(stage.tree, 'top')).toBe('cbbaaaaa')
    })
  })

  it('what a refusal for a short image names instead does keep the content', async () => {
    await on(qmpStage(short, { version }), async (stage) => {
      await runPlan(stage, right(commit(stage.chain, { top: 'top', base: 'base', end: 'pivot' }, stage.hypervisor)))
    })
    await on(qmpStage(short, { version }), async (stage) => {
      await runPlan(stage, right(pull(stage.chain, { into: 'top' }, stage.hypervisor)))
    })
  })

  it('an active commit of a top that is smaller than its base makes the disk larger; refused', async () => {
    await on(qmpStage('base[aaaaaaaa] <- top[-b--]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const planned = commit(stage.chain, { top: 'top', end: 'pivot' }, stage.hypervisor)
      expect(tagOf(planned)).toBe('BaseLargerThanTop')
      const nodes = { device: nodeOf(stage, 'top'), 'base-node': nodeOf(stage, 'base') }
      await runJob(qmp, 'block-commit', nodes, 'ready')
      const inserted = fields(fields(list(await qmp.ask('query-block'))[0])['inserted'])
      expect(integer(fields(inserted['image'])['virtual-size'])).toBe(8 * cell)
    })
  })

  it('a commit without a backing string crashes QEMU on a deep chain; our plan gives one and works', async () => {
    const tree = `${deep.join(' <- ')}^`
    await on(qmpStage(tree, { version, headers: 'relative' }), async (stage) => {
      const nodes = {
        device: nodeOf(stage, 'i15'),
        'top-node': nodeOf(stage, 'i14'),
        'base-node': nodeOf(stage, 'i13'),
      }
      await stage.qemu.qmp.ask('block-commit', { 'job-id': 'forced', ...nodes })
      expect(await signalOf(stage.qemu)).toBe('SIGSEGV')
    })
    await on(qmpStage(tree, { version, headers: 'relative' }), async (stage) => {
      await runPlan(stage, right(commit(stage.chain, { top: 'i14', base: 'i13' }, stage.hypervisor)))
    })
  })

  it('a commit with a backing string over 1,023 bytes crashes QEMU; refused', async () => {
    const tree = 'base[aaaa] <- a[-b--] <- b[--c-] <- top[---d]^'
    const headers = (to: string): string => `${'./'.repeat(300)}${to.split('/').at(-1) ?? ''}`
    await on(qmpStage(tree, { version, headers }), async (stage) => {
      const planned = commit(stage.chain, { top: 'a' }, stage.hypervisor)
      expect(tagOf(planned)).toBe('BackingStringTooLong')
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': nodeOf(stage, 'base') }
      const header = { 'backing-file': `${'./'.repeat(600)}base` }
      await stage.qemu.qmp.ask('block-commit', { 'job-id': 'forced', ...nodes, ...header })
      expect(await signalOf(stage.qemu)).toBe('SIGSEGV')
    })
  })

  it('a commit under an overlay that QEMU cannot write crashes QEMU; the plan assumes Writable', async () => {
    const tree = 'base[aaaa] <- a[-b--] <- b[--c-] <- top[---d]^'
    const prepare = async (made: {
      readonly folder: string
      readonly images: ReadonlyArray<{ readonly name: string }>
    }) => {
      await chmod(made.folder, 0o777)
      for (const { name } of made.images) {
        const path = join(made.folder, name)
        if (isRoot && name !== 'b') await chown(path, 65534, 65534)
        await chmod(path, name === 'b' ? 0o444 : 0o644)
      }
    }
    const under = isRoot ? asNobody : []
    await on(qmpStage(tree, { version, prepare, under }), async (stage) => {
      const plan = right(commit(stage.chain, { top: 'a' }, stage.hypervisor))
      expect(plan.assumes).toContainEqual({ _tag: 'Writable', images: ['base', 'b'] })
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': nodeOf(stage, 'base') }
      const header = { 'backing-file': fileOf(stage.tree, 'base') }
      await stage.qemu.qmp.ask('block-commit', { 'job-id': 'forced', ...nodes, ...header })
      expect(await signalOf(stage.qemu)).toBe('SIGSEGV')
    })
  })

  it('query-named-block-nodes between the end of a pull and its dismissal crashes QEMU; plans dismiss first', async () => {
    const tree = 'base[aaaa] <- a[-b--] <- top[--c-]^'
    await on(qmpStage(tree, { version }), async (stage) => {
      const { qmp } = stage.qemu
      const plan = right(pull(stage.chain, { into: 'top', leftovers: 'remove' }, stage.hypervisor))
      const asked = plan.steps.flatMap(({ call }) => (call._tag === 'Qmp' ? [String(call.command.execute)] : []))
      expect(asked).not.toContain('query-named-block-nodes')
      expect(asked.indexOf('job-dismiss')).toBe(asked.indexOf('job-finalize') + 1)
      await qmp.ask('block-stream', { 'job-id': 'forced', device: nodeOf(stage, 'top'), 'auto-dismiss': false })
      await untilJob(qmp, 'forced', 'concluded')
      await qmp.ask('query-named-block-nodes').catch(() => undefined)
      expect(await signalOf(stage.qemu)).toBe('SIGSEGV')
    })
  })

  it('a commit into a shared base changes what the sibling shows; refused', async () => {
    const tree = 'base[aaaa] <- (a[-b--] <- top[--c-]^, s[---s])'
    await on(qmpStage(tree, { version }), async (stage) => {
      expect(tagOf(commit(stage.chain, { top: 'a' }, stage.hypervisor))).toBe('ImageShared')
      expect(await shown(stage.tree, 's')).toBe('aaas')
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': nodeOf(stage, 'base') }
      await runJob(stage.qemu.qmp, 'block-commit', { ...nodes, 'backing-file': fileOf(stage.tree, 'base') })
      await stage.close()
      expect(await shown(stage.tree, 's')).toBe('abas')
      expect(await shown(stage.tree, 'top')).toBe('abca')
    })
  })

  it('blockdev-snapshot takes an overlay of another size, and the disk changes its size; refused', async () => {
    await on(qmpStage('base[aaaa]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const path = join(stage.tree.folder, 'large')
      const header = { header: fileOf(stage.tree, 'base'), format: 'qcow2' }
      await createImage({ path, format: 'qcow2', sizeBytes: 8 * cell, cells: '', backing: header }, version)
      const overlay = { name: 'large', format: 'qcow2', location: { _tag: 'File', path } } as const
      const request = { ...overlay, made: 'before', header: header.header, sizeBytes: 8 * cell } as const
      expect(tagOf(addOverlay(stage.chain, { overlay: request }, stage.hypervisor))).toBe('DestinationWrong')
      const file = { driver: 'file', filename: path }
      await qmp.ask('blockdev-add', { driver: 'qcow2', 'node-name': 'large', file, backing: null })
      await qmp.ask('blockdev-snapshot', { node: nodeOf(stage, 'base'), overlay: 'large' })
      const inserted = fields(fields(list(await qmp.ask('query-block'))[0])['inserted'])
      expect(integer(fields(inserted['image'])['virtual-size'])).toBe(8 * cell)
    })
  })

  it('blockdev-create cuts off a file that is there already; the plan assumes NothingAt', async () => {
    await on(qmpStage('base[aaaa]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const path = join(stage.tree.folder, 'precious')
      await createImage({ path, format: 'raw', sizeBytes: cell, cells: 'p' }, version)
      const overlay = { name: 'new', format: 'qcow2', location: { _tag: 'File', path } } as const
      const plan = right(addOverlay(stage.chain, { overlay }, stage.hypervisor))
      expect(plan.assumes).toContainEqual({ _tag: 'NothingAt', path })
      await qmp.ask('blockdev-create', { 'job-id': 'forced', options: { driver: 'file', filename: path, size: 0 } })
      await untilJob(qmp, 'forced', 'concluded')
      expect((await stat(path)).size).toBe(0)
    })
  })

  it('block-commit with no base goes down to the lowest image; plans name both ends', async () => {
    await on(qmpStage('base[aaaa] <- a[-b--] <- b[--c-] <- top[---d]^', { version }), async (stage) => {
      const plan = right(commit(stage.chain, { top: 'b' }, stage.hypervisor))
      const [first] = plan.steps
      const call = first?.call._tag === 'Qmp' ? first.call.command : undefined
      const ends = { 'top-node': nodeOf(stage, 'b'), 'base-node': nodeOf(stage, 'base') }
      expect(call).toMatchObject({ execute: 'block-commit', arguments: ends })
      const header = { 'backing-file': fileOf(stage.tree, 'base') }
      await runJob(stage.qemu.qmp, 'block-commit', {
        device: nodeOf(stage, 'top'),
        'top-node': nodeOf(stage, 'b'),
        ...header,
      })
      await stage.close()
      expect(await shown(stage.tree, 'base')).toBe('abca')
    })
  })

  it('without a backing string, a commit and a pull store json: in the header; plans give the string as it was', async () => {
    const tree = 'base[aaaa] <- a[-b--] <- b[--c-] <- top[---d]^'
    await on(qmpStage(tree, { version, headers: 'relative' }), async (stage) => {
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'b'), 'base-node': nodeOf(stage, 'a') }
      await runJob(stage.qemu.qmp, 'block-commit', nodes)
      await stage.close()
      expect(await headerOf(stage.tree, 'top')).toMatch(/^json:\{/)
    })
    await on(qmpStage(tree, { version, headers: 'relative' }), async (stage) => {
      const nodes = { device: nodeOf(stage, 'top'), 'base-node': nodeOf(stage, 'a') }
      await runJob(stage.qemu.qmp, 'block-stream', nodes)
      await stage.close()
      expect(await headerOf(stage.tree, 'top')).toMatch(/^json:\{/)
    })
  })

  it('a commit that is cancelled does not give the base back', async () => {
    await on(qmpStage('base[aaaa] <- a[-b--] <- top[--c-]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': nodeOf(stage, 'base') }
      await qmp.ask('block-commit', { 'job-id': 'forced', ...nodes, 'auto-finalize': false })
      await untilJob(qmp, 'forced', 'pending')
      await qmp.ask('job-cancel', { id: 'forced' })
      await stage.close()
      expect(await shown(stage.tree, 'base')).toBe('abaa')
      expect(await shown(stage.tree, 'top')).toBe('abca')
    })
  })

  it('a ready copy that is cancelled with force misses the last writes; plans end it without', async () => {
    await on(qmpStage('base[aaaa] <- top[-b--]^', { version }), async (stage) => {
      const request = { to: { name: 'new', format: 'raw', location: { _tag: 'File', path: '/new' } } } as const
      const plan = right(copy(stage.chain, { ...request, depth: 'full', end: 'keep' }, stage.hypervisor))
      const asked = plan.steps.flatMap(({ call }) => (call._tag === 'Qmp' ? [String(call.command.execute)] : []))
      expect(asked).toContain('block-job-cancel')
      expect(asked).not.toContain('job-cancel')
      const { qmp } = stage.qemu
      await qmp.ask('block-commit', { 'job-id': 'forced', device: nodeOf(stage, 'top'), 'auto-dismiss': false })
      await untilJob(qmp, 'forced', 'ready')
      await qmp.ask('block-job-cancel', { device: 'forced' })
      await qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED')
      expect(qmp.events.map(({ event }) => event)).not.toContain('BLOCK_JOB_CANCELLED')
    })
  })

  it('a job that fails ends with BLOCK_JOB_COMPLETED; a wait sees that it failed', async () => {
    await on(qmpStage('base[aaaa]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const path = join(stage.tree.folder, 'small')
      await createImage({ path, format: 'raw', sizeBytes: cell, cells: '' }, version)
      await qmp.ask('blockdev-add', { driver: 'raw', 'node-name': 'small', file: { driver: 'file', filename: path } })
      const from = qmp.events.length
      const job = { 'job-id': 'forced', 'auto-dismiss': false, device: nodeOf(stage, 'base'), target: 'small' }
      await qmp.ask('blockdev-mirror', { ...job, sync: 'full' })
      await qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED', { from })
      const wait = { _tag: 'QmpJob', job: 'forced', status: 'ready' } as const
      const settled = await qmpHost(qmp, 'disk0', version).wait(wait, { reply: undefined, since: from })
      expect(settled.state).toBe('failed')
    })
  })

  it('a job that has vanished is lost, and not done', async () => {
    await on(qmpStage('base[aaaa] <- top[-b--]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const from = qmp.events.length
      await qmp.ask('block-stream', { 'job-id': 'forced', device: nodeOf(stage, 'top') })
      await qmp.waitEvent(({ event }) => event === 'BLOCK_JOB_COMPLETED', { from })
      const wait = { _tag: 'QmpJob', job: 'forced', status: 'concluded' } as const
      const settled = await qmpHost(qmp, 'disk0', version).wait(wait, { reply: undefined, since: from })
      expect(settled.state).toBe('lost')
    })
  })

  it('a commit that has concluded pins its nodes until it is dismissed', async () => {
    await on(qmpStage('base[aaaa] <- a[-b--] <- top[--c-]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': nodeOf(stage, 'base') }
      const header = { 'backing-file': fileOf(stage.tree, 'base') }
      await qmp.ask('block-commit', { 'job-id': 'forced', ...nodes, ...header, 'auto-dismiss': false })
      await untilJob(qmp, 'forced', 'concluded')
      const remove = { execute: 'blockdev-del', arguments: { 'node-name': nodeOf(stage, 'a') } }
      expect(await qmp.execute(remove)).toMatchObject({ _tag: 'Error' })
      await qmp.ask('job-dismiss', { id: 'forced' })
      expect(await qmp.execute(remove)).toMatchObject({ _tag: 'Return' })
    })
  })

  it('after an active commit the old active image stays locked until its node is deleted; plans delete it', async () => {
    await on(qmpStage('base[aaaa] <- top[-b--]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      await runJob(qmp, 'block-commit', { device: nodeOf(stage, 'top') }, 'ready')
      const argv = ['qemu-img', 'info', fileOf(stage.tree, 'top')]
      expect((await run(argv)).stderr).toContain('lock')
      await qmp.ask('blockdev-del', { 'node-name': nodeOf(stage, 'top') })
      expect((await run(['qemu-img', 'info', '-U', fileOf(stage.tree, 'top')])).code).toBe(0)
    })
  })
})
