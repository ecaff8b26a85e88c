// Every way to write the present of one disk or two into images of its own, and every snapshot of theirs: chains of up to three
// images with every content of two cells, running, paused and shut off, through every program; then what is owed is paid.

import * as E from 'fp-ts/lib/Either.js'
import { expect, it } from 'vitest'

import { exportSnapshot, extractSnapshot, owed, settle } from '../../src/index.js'
import type { ExportRequest, Machine, MachineHost, MachinePlan, MachineRefusal, NewImage } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { withoutNodes } from '../../src/operation/live.js'
import { checkMachinePlan } from '../../src/plan/check-machine.js'
import { assertMachinePlanKeepsContent, assertMachinePlanSimulates } from '../../src/testing/index.js'
import type { MachineContents } from '../../src/testing/index.js'
import { machineContentsAfter } from '../../src/testing/machine-contents.js'
import { throughLibvirt, throughQemuImg, throughQmp } from '../operation/expect-take.js'
import { vm } from '../operation/machine.js'
import type { Vm } from '../operation/machine.js'

const cells = ['--', 'a-', '-0', '0b'] as const

/** Chains of up to three images, the contents of each one of a few; the lowest always holds something. */
const pictures: ReadonlyArray<string> = [
  'v[xy]^',
  ...cells.map((one) => `v[xy] <- v.1[${one}]^`),
  ...cells.flatMap((one) => cells.map((other) => `v[xy] <- v.1[${one}] <- v.2[${other}]^`)),
]

const copy = (disk: string): NewImage => ({
  name: `${disk}.copy`,
  location: { _tag: 'File', path: `/backup/${disk}` },
  format: disk === 'vda' ? 'qcow2' : 'raw',
})

const selections = [['vda'], ['vda', 'vdb']] as const
const to = (disks: ReadonlyArray<string>): ExportRequest => ({ to: new Map(disks.map((disk) => [disk, copy(disk)])) })

interface Through {
  readonly host: MachineHost
  readonly states: ReadonlyArray<'running' | 'paused' | 'shut-off'>
  readonly of: Omit<Vm, 'disks'>
}

const programs: Readonly<Record<'libvirt' | 'qmp' | 'qemu-img', Through>> = {
  libvirt: { host: throughLibvirt, states: ['running', 'paused', 'shut-off'], of: {} },
  qmp: { host: throughQmp, states: ['running', 'paused'], of: { records: 'none', nodes: 'monitor' } },
  'qemu-img': { host: throughQemuImg, states: ['shut-off'], of: { records: 'none' } },
}

const ways: ReadonlyArray<Pick<ExportRequest, 'way' | 'removal'>> = [
  {},
  ...(['backup', 'overlay', 'inside', 'saved'] as const).map((way) => ({ way })),
  ...(['first pause', 'second pause'] as const).map((removal) => ({ way: 'saved', removal }) as const),
  { way: 'inside', removal: 'next stop' },
]

/** Holds a plan to its word, with a guest that writes and one that does not; gives what is there afterwards. */
const held = (
  plan: E.Either<MachineRefusal, MachinePlan>,
  contents: MachineContents,
): readonly [MachinePlan, MachineContents] | undefined => {
  if (E.isLeft(plan)) return undefined
  expect(checkMachinePlan(plan.right)).toStrictEqual([])
  assertMachinePlanKeepsContent(plan.right, contents, [1])
  assertMachinePlanSimulates(plan.right, contents, { order: [1] })
  assertMachinePlanSimulates(plan.right, contents, { writes: [0, 3, 1], progressBytes: 65536 })
  return [plan.right, machineContentsAfter(plan.right, contents)]
}

const stopped = (of: Machine): Machine =>
  withMachine(of, {
    state: 'shut-off',
    disks: new Map(Array.from(of.disks, ([disk, chain]) => [disk, withoutNodes(chain)])),
    definitions: of.definitions && { persistent: of.definitions.persistent, live: undefined },
  })

it.each(Object.entries(programs))('the present, through %s', (program, { host, states, of }) => {
  const counts = { plans: 0, paid: 0 }
  for (const picture of pictures)
    for (const state of states)
      for (const disks of selections)
        for (const way of ways) {
          const { machine, contents } = vm({ ...of, state, disks: { vda: picture, vdb: 'w[z-]^' } })
          const filled = { disks: contents, inside: new Map() }
          const [plan, then] = held(exportSnapshot(machine, { ...to(disks), ...way }, host), filled) ?? []
          if (plan === undefined || then === undefined) continue
          counts.plans += 1
          if (owed(plan.after).length === 0) continue
          const off = host.via === 'libvirt' ? host : throughQemuImg
          for (const one of [settle(stopped(plan.after), 'stopped', off), settle(plan.after, 'now', host)]) {
            expect(E.isRight(one) ? owed(one.right.after) : one.left).toStrictEqual([])
            held(one, then)
            counts.paid += 1
          }
        }
  // Of a guest that is paused libvirt flushes nothing, and the overlay's file could not go.
  const fitting = { libvirt: 6 + 5 + 1, qmp: 5 + 5, 'qemu-img': 1 }[program]
  expect(counts.plans).toBe(pictures.length * selections.length * (fitting ?? 0))
  expect(counts.paid > 0).toBe(host.via !== 'qemu-img')
})

it.each(Object.entries(programs))('every snapshot, through %s', (_, { host, states, of }) => {
  let plans = 0
  const kinds = [
    { vda: 'v', vdb: 'inside w' },
    { vda: 'inside v.1', vdb: 'inside w' },
    { vda: 'inside v', vdb: 'no' },
  ] as const
  for (const picture of pictures.filter((one) => one.includes('v.1[')))
    for (const state of states)
      for (const kind of kinds) {
        const snapshots = [{ name: 's', ...kind }]
        const { machine, contents } = vm({ ...of, state, snapshots, disks: { vda: picture, vdb: 'w[z-]^' } })
        const inside = new Map(
          Object.entries(kind).flatMap(([disk, text]) => {
            const image = text.replace('inside ', '')
            const layer = contents.get(disk)?.get(image)
            return text.startsWith('inside') && layer !== undefined
              ? [[disk, new Map([[image, new Map([['s', layer]])]])] as const]
              : []
          }),
        )
        const disks = kind.vdb === 'no' ? ['vda'] : ['vda', 'vdb']
        const plan = extractSnapshot(machine, { ...to(disks), snapshot: 's' }, host)
        if (held(plan, { disks: contents, inside }) !== undefined) plans += 1
      }
  expect(plans).toBe((pictures.length - 1) * states.length * kinds.length)
})
