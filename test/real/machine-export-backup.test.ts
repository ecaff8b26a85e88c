// The present of a running guest, exported by backup jobs while it writes.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkMachinePlan } from 'backing-chain'
import type { MachinePlan } from 'backing-chain'
import { executeStep, type Host } from './harness/steps.js'
import { qemuVersions } from './lab/binaries.js'
import { readHeader } from './lab/images.js'
import {
  afterWrites,
  cells,
  exported,
  firstReads,
  guestWrites,
  inQemu,
  onBackupLab,
  ownReads,
  planFor,
  slowHost,
  type BackupLab,
  type Target,
} from './machine/backup.js'
import { executeMachine } from './machine/execute.js'
import { noting, someMore, startGuest, type Moment, type Write } from './machine/qmp-writer.js'
import { randomOf } from './machine/random.js'

const seed = Number(process.env['BC_SEED'] ?? 20261126)
const targets = ['vda', 'vdb'] as const

const reads = (target: Target, writes: ReadonlyArray<Write> = []): string =>
  afterWrites(firstReads.get(target) ?? '', target, writes)

/** Writes of a guest all over both disks: where the jobs have been, where they are, and where they have not been. */
const manyWrites = (many: number): ReadonlyArray<Write> => {
  const random = randomOf(seed)
  return Array.from({ length: many }, (_, index) => ({
    target: index % 2 === 0 ? 'vda' : 'vdb',
    cell: random.below(cells),
    value: 'UVWXYZ0'.charAt(index % 7),
  }))
}

const expectExported = async (lab: BackupLab, plan: MachinePlan, writes: ReadonlyArray<Write> = []): Promise<void> => {
  for (const target of targets)
    expect([target, await exported(lab, plan, target)]).toEqual([target, reads(target, writes)])
}

const expectOwn = async (lab: BackupLab, writes: ReadonlyArray<Write> = []): Promise<void> => {
  for (const target of targets) expect([target, await ownReads(lab, target)]).toEqual([target, reads(target, writes)])
}

const moment = (plan: MachinePlan): number =>
  plan.steps.findIndex(({ call }) => call._tag === 'Qmp' && call.command.execute === 'transaction')

/** Executes the first steps of a plan in its own order. */
const begin = async (host: Host, plan: MachinePlan, many: number): Promise<void> => {
  for (const [index, step] of plan.steps.slice(0, many).entries()) await executeStep(host, step, index)
}

const kinds = [
  ['to qcow2 images with larger clusters', { clusterBytes: 131072 }, {}],
  ['to qcow2 images with smaller clusters', { clusterBytes: 512 }, {}],
  ['to raw images', { format: 'raw' }, {}],
  ['compressed', {}, { data: 'compressed' }],
  ['compressed, with larger clusters', { clusterBytes: 131072 }, { data: 'compressed' }],
  ['compressed, with smaller clusters', { clusterBytes: 4096 }, { data: 'compressed' }],
] as const

describe.each(qemuVersions)('through QMP, QEMU %s', (version) => {
  it.each(kinds)('%s, while the guest writes to what is copied and to what is not', async (_, more, data) => {
    await onBackupLab(version, async (lab) => {
      const plan = planFor(lab, more, data)
      expect(checkMachinePlan(plan)).toEqual([])
      const before = await inQemu(lab)
      const writes = manyWrites(60)
      const host = slowHost(lab, () => guestWrites(lab, writes))
      await executeMachine(plan, host, { choose: randomOf(seed).below })
      await expectExported(lab, plan)
      expect(await inQemu(lab)).toEqual(before)
      await lab.qemu.quit()
      await expectOwn(lab, writes)
      for (const target of targets) {
        const image = plan.after.disks.get(target)?.images.get(`export.${target}`)
        const header = await readHeader(join(lab.folder, `export.${target}`))
        expect(header).toEqual({ format: image?.format, sizeBytes: image?.sizeBytes })
      }
    })
  })

  it('has both disks between the same two writes of a guest that never stops', async () => {
    await onBackupLab(version, async (lab) => {
      const plan = planFor(lab)
      const guest = startGuest(lab.qemu, seed)
      let taken: Moment = { earliest: 0, latest: 0 }
      try {
        await someMore(guest)
        await executeMachine(
          plan,
          noting(lab.host, guest, (noted) => (taken = noted)),
        )
        await someMore(guest)
      } finally {
        await guest.stop()
      }
      const found = await Promise.all(targets.map((target) => exported(lab, plan, target)))
      const fits = Array.from({ length: taken.latest - taken.earliest + 1 }, (_, index) => {
        const writes = guest.written.slice(0, taken.earliest + index)
        return targets.map((target) => reads(target, writes))
      })
      expect(fits).toContainEqual(found)
      await lab.qemu.quit()
      await expectOwn(lab, guest.written)
    })
  })

  it('of a guest that is paused', async () => {
    await onBackupLab(version, async (lab) => {
      await lab.qemu.qmp.ask('stop')
      const plan = planFor(lab)
      await executeMachine(plan, lab.host)
      await expectExported(lab, plan)
    })
  })

  it('is on disk once the image is closed, and, as qcow2, not before', async () => {
    const steps = await onceWith(version, (plan) => plan.steps.length)
    for (let many = 0; many <= steps; many += 1)
      await onBackupLab(version, async (lab) => {
        const plan = planFor(lab)
        await begin(lab.host, plan, many)
        await lab.qemu.kill()
        await expectOwn(lab)
        for (const target of targets) {
          const closed = plan.steps.findIndex(
            ({ call, disk }) => disk === target && call._tag === 'Qmp' && call.command.execute === 'blockdev-del',
          )
          const image = await exported(lab, plan, target).catch(() => 'none')
          const right = image === reads(target)
          expect([target, many, right]).toEqual([target, many, many > closed])
        }
      })
  })

  it('leaves the own images of a guest unharmed that is killed in the middle', async () => {
    await onBackupLab(version, async (lab) => {
      const plan = planFor(lab)
      const writes = manyWrites(40)
      const killing = slowHost(lab, async () => {
        await guestWrites(lab, writes)
        for (const target of targets)
          await lab.qemu.monitor(`qemu-io -d /machine/peripheral/${target}-device/virtio-backend flush`)
        await lab.qemu.kill()
      })
      await expect(executeMachine(plan, killing)).rejects.toThrow()
      await expectOwn(lab, writes)
      for (const target of targets) expect(await exported(lab, plan, target)).not.toBe(reads(target))
    })
  })

  it('leaves nothing in QEMU behind where it is cut short', async () => {
    const steps = await onceWith(version, (plan) => plan.steps.length)
    for (let many = 1; many <= steps; many += 1)
      await onBackupLab(version, async (lab) => {
        const plan = planFor(lab)
        const before = await inQemu(lab)
        let called = 0
        const cut: Host = {
          ...lab.host,
          call: (call) => (called++ === many ? Promise.reject(new Error('cut')) : lab.host.call(call)),
        }
        await executeMachine(plan, cut).catch(() => undefined)
        expect([many, await inQemu(lab)]).toEqual([many, before])
        await guestWrites(lab, manyWrites(4))
        await lab.qemu.quit()
        await expectOwn(lab, manyWrites(4))
      })
  })

  it('cancels what still runs when it is cut short', async () => {
    await onBackupLab(version, async (lab) => {
      const plan = planFor(lab)
      const before = await inQemu(lab)
      const cut: Host = {
        ...slowHost(lab, () => Promise.reject(new Error('cut'))),
      }
      await expect(executeMachine(plan, cut)).rejects.toThrow('cut')
      expect(await inQemu(lab)).toEqual(before)
      expect(await exported(lab, plan, 'vdb')).not.toBe(reads('vdb'))
      expect((await stat(join(lab.folder, 'export.vdb'))).size).toBeGreaterThan(0)
    })
  })

  it('begins on no disk where one target does not fit', async () => {
    await onBackupLab(version, async (lab) => {
      const plan = planFor(lab)
      const at = moment(plan)
      await begin(lab.host, plan, at)
      const [first, second] = ['vda', 'vdb'].map((disk) => {
        const call = plan.steps[at]?.call
        const actions =
          call?._tag === 'Qmp' && call.command.execute === 'transaction' ? call.command.arguments.actions : []
        return actions[disk === 'vda' ? 0 : 1]
      })
      if (first?.type !== 'blockdev-backup' || second?.type !== 'blockdev-backup') throw new Error('no backups')
      const same = { ...second, data: { ...second.data, target: first.data.target } }
      const asked = lab.qemu.qmp.ask('transaction', { actions: [first, same] })
      await expect(asked).rejects.toThrow('is busy: block device is in use by block job: backup')
      expect((await inQemu(lab)).filter((one) => one.startsWith('job'))).toEqual([])
      expect(await exported(lab, plan, 'vda')).toBe('0'.repeat(cells))
    })
  })
})

const onceWith = async <A>(version: (typeof qemuVersions)[number], of: (plan: MachinePlan) => A): Promise<A> => {
  let found: A | undefined
  await onBackupLab(version, (lab) => {
    found = of(planFor(lab))
    return Promise.resolve()
  })
  if (found === undefined) throw new Error('no plan')
  return found
}
