// What an image holds already.

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { copy } from 'backing-chain'
import { on } from '../harness/forced.js'
import { qmpStage } from '../harness/stage-qmp.js'
import { execute } from '../harness/steps.js'
import { right } from '../harness/tree.js'
import { qemuVersions } from '../lab/binaries.js'
import { cellBytes, createImage, readCells } from '../lab/images.js'

describe.each(qemuVersions)('traps of QEMU %s', (version) => {
  it('a shallow copy keeps what the image held that was made before; the plan assumes HoldsNothing', async () => {
    await on(qmpStage('l0[aaaaaaaa] <- l1[--b-----]^', { version }), async (stage) => {
      const path = join(stage.tree.folder, 'n')
      const header = join(stage.tree.folder, 'l0')
      const backing = { header, format: 'qcow2' } as const
      await createImage({ path, format: 'qcow2', sizeBytes: 8 * cellBytes, cells: '-----XX-', backing })
      const to = { name: 'n', location: { _tag: 'File', path }, format: 'qcow2', made: 'before', header } as const
      const request = { to: { ...to, sizeBytes: 8 * cellBytes }, depth: 'shallow', end: 'pivot' } as const
      const plan = right(copy(stage.chain, request, stage.hypervisor))
      expect(plan.assumes.map(({ _tag }) => _tag)).toContain('HoldsNothing')
      await execute(plan, stage.host)
      await stage.close()
      expect(await readCells(path, 'qcow2', { version })).toBe('aabaaXXa')
    })
  })
})
