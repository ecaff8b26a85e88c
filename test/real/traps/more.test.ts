// Traps beside our calls: what bitmaps, internal snapshots, loops, late backing files and other commands do.

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pull } from 'backing-chain'
import { fileOf, headerOf, nodeOf, on, runJob, shown, signalOf, untilJob } from '../harness/forced.js'
import { qemuImgStage } from '../harness/stage-qemu-img.js'
import { qmpStage, type QmpStage } from '../harness/stage-qmp.js'
import { binary, qemuVersions } from '../lab/binaries.js'
import { run, runOk } from '../lab/exec.js'
import { cellBytes, readCells } from '../lab/images.js'
import { fields, integer, list, text } from '../lab/json.js'

const openImage = async (stage: QmpStage, name: string, path: string): Promise<void> => {
  const { qmp } = stage.qemu
  await qmp.ask('blockdev-add', { driver: 'file', 'node-name': `${name}-s`, filename: path })
  await qmp.ask('blockdev-add', { driver: 'qcow2', 'node-name': name, file: `${name}-s`, backing: null })
}

/** How many bytes a bitmap of a node counts as dirty. */
const dirtyBytes = async (stage: QmpStage, node: string): Promise<number> => {
  const nodes = list(await stage.qemu.qmp.ask('query-named-block-nodes', { flat: true })).map(fields)
  const found = nodes.find((one) => text(one['node-name']) === node)
  return integer(fields(list(found?.['dirty-bitmaps'])[0])['count'])
}

describe.each(qemuVersions)('traps of QEMU %s', (version) => {
  const img = (...args: ReadonlyArray<string>): Promise<string> => runOk([binary(version, 'qemu-img'), ...args])

  it('a shallow mirror into larger clusters zeroes around them where no header names a backing file', async () => {
    await on(qmpStage('base[abcdefgh] <- top[--X-----]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const path = join(stage.tree.folder, 'n')
      await img('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=256k', path, String(8 * cellBytes))
      await openImage(stage, 'n', path)
      const mirror = { device: nodeOf(stage, 'top'), target: 'n', sync: 'top', 'auto-finalize': true }
      await runJob(qmp, 'blockdev-mirror', mirror, 'ready')
      await stage.close()
      await img('rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', fileOf(stage.tree, 'base'), path)
      expect(await readCells(path, 'qcow2', { version })).toBe('00X0efgh')
    })
  })

  it('an enabled bitmap of the base records the whole commit', async () => {
    await on(qmpStage('base[aaaaaaaa] <- a[--bb----] <- top[-------c]^', { version }), async (stage) => {
      const { qmp } = stage.qemu
      const base = nodeOf(stage, 'base')
      await qmp.ask('block-dirty-bitmap-add', { node: base, name: 'b0', granularity: cellBytes })
      expect(await dirtyBytes(stage, base)).toBe(0)
      const nodes = { device: nodeOf(stage, 'top'), 'top-node': nodeOf(stage, 'a'), 'base-node': base }
      await runJob(qmp, 'block-commit', { ...nodes, 'backing-file': fileOf(stage.tree, 'base') })
      expect(await dirtyBytes(stage, base)).toBe(2 * cellBytes)
    })
  })

  it('an internal snapshot reads what lies below its image now; refused', async () => {
    await on(qemuImgStage('base[aaaa] <- a[-b--] <- top[----]^', { version }), async (stage) => {
      const top = fileOf(stage.tree, 'top')
      const past = join(stage.tree.folder, 'past')
      const snapshot = async (): Promise<string> => {
        await img('convert', '-q', '-f', 'qcow2', '-O', 'raw', '-l', 'snapshot.name=s', top, past)
        return readCells(past, 'raw', { version })
      }
      await img('snapshot', '-q', '-c', 's', top)
      expect(await snapshot()).toBe('abaa')
      await img('rebase', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', fileOf(stage.tree, 'base'), top)
      expect(await shown(stage.tree, 'top')).toBe('abaa')
      expect(await snapshot()).toBe('aaaa')
      const internalSnapshots = [{ id: '1', name: 's', vmStateBytes: 0 }]
      const images = new Map(stage.chain.images)
      const image = images.get('top')
      if (image === undefined) throw new Error('no top')
      const chain = { ...stage.chain, images: images.set('top', { ...image, internalSnapshots }) }
      expect(pull(chain, { into: 'top', base: 'base' }, stage.hypervisor)).toMatchObject({
        left: { _tag: 'InternalSnapshotsLost' },
      })
    })
  })

  it('a chain with a loop is read forever', async () => {
    await on(qemuImgStage('base[aaaa] <- top[-b--]^', { version }), async (stage) => {
      const [base, top] = [fileOf(stage.tree, 'base'), fileOf(stage.tree, 'top')]
      await img('rebase', '-q', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', top, base)
      const read = ['timeout', '-s', 'KILL', '3', binary(version, 'qemu-img'), 'map', '-f', 'qcow2', top]
      expect((await run(read)).code).not.toBe(0)
      const seen = await run([binary(version, 'qemu-img'), 'info', '--backing-chain', '--output=json', top])
      expect(seen.stderr).toContain('infinite loop')
    })
  })

  it('change-backing-file records the format of the image itself; plans never use it', async () => {
    await on(qmpStage('base:raw[aaaa] <- top[-b--]^', { version }), async (stage) => {
      const node = nodeOf(stage, 'top')
      const file = fileOf(stage.tree, 'base')
      await stage.qemu.qmp.ask('change-backing-file', { device: node, 'image-node-name': node, 'backing-file': file })
      await stage.close()
      expect(await headerOf(stage.tree, 'top')).toBe(file)
      const read = await run([binary(version, 'qemu-img'), 'map', '-f', 'qcow2', fileOf(stage.tree, 'top')])
      expect(read.stderr).toContain('Image is not in qcow2 format')
    })
  })

  it('a snapshot over a filter records the filter as the format; ours goes under it', async () => {
    const tree = 'base[aaaa] <- top[-b--]^'
    await on(qmpStage(tree, { version, filter: 'throttle' }), async (stage) => {
      const root = stage.chain.images.get('top')?.node?.filters.at(-1) ?? ''
      const path = join(stage.tree.folder, 'n')
      const wanted = { 'node-name': root, 'snapshot-file': path, 'snapshot-node-name': 'n', format: 'qcow2' }
      await stage.qemu.qmp.ask('blockdev-snapshot-sync', wanted)
      await stage.close()
      const info = await run([binary(version, 'qemu-img'), 'info', '--output=json', path])
      expect(info.stdout).toContain('"backing-filename-format": "throttle"')
    })
  })

  it('a pull into an image with nothing below that is held crashes QEMU when the guest reads a hole; refused', async () => {
    await on(qmpStage('base[aa--]^', { version }), async (stage) => {
      expect(pull(stage.chain, { into: 'base' }, stage.hypervisor)).toMatchObject({ left: { _tag: 'NothingBelow' } })
      const { qmp } = stage.qemu
      await qmp.ask('block-stream', { 'job-id': 'j', device: nodeOf(stage, 'base'), 'auto-finalize': false })
      await untilJob(qmp, 'j', 'pending')
      await qmp.hmp(`qemu-io -d ${stage.guest?.qdev ?? ''} "read 0 256k"`).catch(() => undefined)
      expect(await signalOf(stage.qemu)).toBe('SIGSEGV')
    })
  })
})
