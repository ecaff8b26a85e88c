// What changes a snapshot inside an image: what lies below it. Each row of the table in docs/internal-and-external.md, on real images,
// and what the library says to it.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { changeChain, deleteSnapshots, explainMachineRefusal, machine, revert } from 'backing-chain'
import type { CommitRequest, Machine, MachineHost, MachinePlan, MachineRefusal, PullRequest } from 'backing-chain'
import { withImages } from '../../src/model/chain.js'
import { fileOf, nodeOf, on, runJob, shown } from './harness/forced.js'
import { qemuImgStage } from './harness/stage-qemu-img.js'
import { qmpStage, type QmpStage } from './harness/stage-qmp.js'
import type { Stage } from './harness/stage.js'
import { right, type Tree } from './harness/tree.js'
import { binary, qemuVersions, type QemuVersion } from './lab/binaries.js'
import { runOk } from './lab/exec.js'
import { cellBytes } from './lab/images.js'
import { cellsAt } from './machine/bytes.js'
import { reasonOf } from './machine/plans.js'

/** Before the snapshots are made; then `mid` gets a 3, and `top` a 5. */
const picture = 'base[11111111] <- mid[-2------] <- top[---4----]^'

const inside = { m1: 'mid', t1: 'top' } as const

const prepare = async (version: QemuVersion, tree: Tree): Promise<void> => {
  for (const [name, image] of Object.entries(inside))
    await runOk([binary(version, 'qemu-img'), 'snapshot', '-c', name, fileOf(tree, image)])
  const writes = [
    { image: 'mid', cell: 2, value: '3' },
    { image: 'top', cell: 4, value: '5' },
  ]
  for (const { image, cell, value } of writes) {
    const write = `write -q -P ${String(value.charCodeAt(0))} ${String(cell * cellBytes)} ${String(cellBytes)}`
    await runOk([binary(version, 'qemu-io'), '-f', 'qcow2', '-c', write, fileOf(tree, image)])
  }
}

interface Seen {
  readonly top: string
  readonly t1: string
  readonly m1: string
}

const start: Seen = { top: '12345111', t1: '12341111', m1: '12111111' }

const see = async ({ tree, version }: Pick<Stage, 'tree' | 'version'>): Promise<Seen> => {
  const at = (name: keyof typeof inside) =>
    cellsAt({ path: fileOf(tree, inside[name]), format: 'qcow2', inside: name }, version)
  return { top: await shown(tree, 'top'), t1: await at('t1'), m1: await at('m1') }
}

/** The stage's machine with both snapshots. */
const machineOn = ({ chain, hypervisor }: Stage): Machine => {
  const images = Array.from(chain.images, ([name, image]) => {
    const [held] = Object.entries(inside).find(([, of]) => of === name) ?? []
    const internalSnapshots = held === undefined ? [] : [{ id: '1', name: held, vmStateBytes: 0 }]
    return [name, { ...image, internalSnapshots }] as const
  })
  const disk = (image: string) => [['vda', { mode: 'internal', image }]] as const
  return right(
    machine({
      name: 'vm',
      state: hypervisor.guest,
      disks: [withImages(chain, new Map(images))],
      snapshots: [
        { name: 'm1', state: 'shutoff', disks: disk('mid') },
        { name: 't1', parent: 'm1', state: 'shutoff', disks: disk('top') },
      ],
      current: 't1',
    }),
  )
}

type Planned = E.Either<MachineRefusal, MachinePlan>

const reason = (planned: Planned): string => {
  if (E.isRight(planned)) return 'planned'
  expect(explainMachineRefusal(planned.left)).not.toBe('')
  return reasonOf(planned.left)
}

interface Row {
  readonly what: string
  readonly seen: Partial<Seen>
  readonly asked?: (of: Machine, host: MachineHost) => Planned
  readonly says?: string
}

const changing =
  (of: Machine, host: MachineHost) =>
  (work: { readonly commit: CommitRequest } | { readonly pull: PullRequest }): Planned =>
    changeChain(of, { disk: 'vda', metadata: 'carry', ...work }, host)

interface Offline extends Row {
  readonly argv: (at: (image: string) => string) => ReadonlyArray<string>
}

const qcow2 = ['-f', 'qcow2'] as const
const over = ['-f', 'qcow2', '-F', 'qcow2'] as const

const offline: ReadonlyArray<Offline> = [
  {
    what: 'commit top into mid',
    argv: (at) => ['commit', ...qcow2, at('top')],
    seen: { t1: '12345111' },
    asked: (of, host) => changing(of, host)({ commit: { top: 'top', base: 'mid', end: 'pivot' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'commit mid into base',
    argv: (at) => ['commit', ...qcow2, at('mid')],
    seen: { m1: '12311111' },
    asked: (of, host) => changing(of, host)({ commit: { top: 'mid', base: 'base' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'rebase top onto base',
    argv: (at) => ['rebase', ...over, '-b', at('base'), at('top')],
    seen: { t1: '11141111' },
    asked: (of, host) => changing(of, host)({ pull: { into: 'top', base: 'base' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'rebase top onto nothing',
    argv: (at) => ['rebase', ...qcow2, '-b', '', at('top')],
    seen: { t1: '00040000' },
    asked: (of, host) => changing(of, host)({ pull: { into: 'top' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'rebase mid onto nothing',
    argv: (at) => ['rebase', ...qcow2, '-b', '', at('mid')],
    seen: { m1: '02000000' },
    asked: (of, host) => changing(of, host)({ pull: { into: 'mid' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'load m1',
    argv: (at) => ['snapshot', '-a', 'm1', at('mid')],
    seen: { top: '12145111', t1: '12141111' },
    asked: (of, host) => revert(of, { to: 'm1', present: 'discard' }, host),
    says: 'PointsLost',
  },
  {
    what: 'load t1',
    argv: (at) => ['snapshot', '-a', 't1', at('top')],
    seen: { top: '12341111' },
    asked: (of, host) => revert(of, { to: 't1', present: 'discard' }, host),
    says: 'planned',
  },
  {
    what: 'delete m1',
    argv: (at) => ['snapshot', '-d', 'm1', at('mid')],
    seen: { m1: "cannot be read: qemu-img: Failed to load snapshot: Can't find snapshot" },
    asked: (of, host) => deleteSnapshots(of, { snapshots: ['m1'] }, host),
    says: 'planned',
  },
  {
    what: 'shrink top',
    argv: (at) => ['resize', ...qcow2, '--shrink', at('top'), String(4 * cellBytes)],
    seen: { top: '1234', t1: '1234' },
  },
  {
    what: 'shrink mid',
    argv: (at) => ['resize', ...qcow2, '--shrink', at('mid'), String(2 * cellBytes)],
    seen: { top: '12045000', t1: '12040000', m1: '12' },
  },
  {
    what: 'shrink base',
    argv: (at) => ['resize', ...qcow2, '--shrink', at('base'), String(cellBytes)],
    seen: { top: '12345000', t1: '12340000', m1: '12000000' },
  },
]

interface Live extends Row {
  readonly job: (stage: QmpStage) => Promise<void>
}

const job = (stage: QmpStage, command: string, args: object, until?: string): Promise<void> =>
  runJob(stage.qemu.qmp, command, args, until)

const live: ReadonlyArray<Live> = [
  {
    what: 'block-commit of mid into base',
    job: (stage) => {
      const nodes = {
        device: nodeOf(stage, 'top'),
        'top-node': nodeOf(stage, 'mid'),
        'base-node': nodeOf(stage, 'base'),
      }
      return job(stage, 'block-commit', { ...nodes, 'backing-file': fileOf(stage.tree, 'base') })
    },
    seen: { m1: '12311111' },
    asked: (of, host) => changing(of, host)({ commit: { top: 'mid', base: 'base' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'block-commit of the active top into mid',
    job: (stage) =>
      job(stage, 'block-commit', { device: nodeOf(stage, 'top'), 'base-node': nodeOf(stage, 'mid') }, 'ready'),
    seen: { t1: '12345111' },
    asked: (of, host) => changing(of, host)({ commit: { top: 'top', base: 'mid', end: 'pivot' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'block-stream into top',
    job: (stage) => job(stage, 'block-stream', { device: nodeOf(stage, 'top') }),
    seen: { t1: '00040000' },
    asked: (of, host) => changing(of, host)({ pull: { into: 'top' } }),
    says: 'InternalSnapshotsLost',
  },
  {
    what: 'block-stream into mid',
    job: (stage) => job(stage, 'block-stream', { device: nodeOf(stage, 'mid') }),
    seen: { m1: '02000000' },
    asked: (of, host) => changing(of, host)({ pull: { into: 'mid' } }),
    says: 'InternalSnapshotsLost',
  },
]

const hostOf = ({ hypervisor: { capabilities } }: Stage, via: 'qemu-img' | 'qmp'): MachineHost => ({
  via,
  capabilities,
})

const says = (stage: Stage, { asked }: Row, via: 'qemu-img' | 'qmp'): string | undefined =>
  asked && reason(asked(machineOn(stage), hostOf(stage, via))).replace('DiskRefused ', '')

describe.each(qemuVersions)('what is inside reads through what lies below, QEMU %s', (version) => {
  it.each(offline)('$what', (row) =>
    on(qemuImgStage(picture, { version }), async (stage) => {
      await prepare(version, stage.tree)
      expect(await see(stage)).toEqual(start)
      await runOk([binary(version, 'qemu-img'), ...row.argv((image) => fileOf(stage.tree, image))])
      expect(await see(stage)).toEqual({ ...start, ...row.seen })
      expect(says(stage, row, 'qemu-img')).toBe(row.says)
    }),
  )

  it.each(live)('$what', (row) =>
    on(qmpStage(picture, { version, prepare: (tree) => prepare(version, tree) }), async (stage) => {
      await row.job(stage)
      await stage.qemu.quit()
      expect(await see(stage)).toEqual({ ...start, ...row.seen })
      expect(says(stage, row, 'qmp')).toBe(row.says)
    }),
  )
})
