import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions } from '../../src/index.js'
import type { DeleteRequest, MachineHost, MachineRefusal } from '../../src/index.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { assertMachinePlanKeepsContent, assertMachinePlanSimulates } from '../../src/testing/index.js'
import type { FilledMachine } from '../../src/testing/index.js'
import { everySubset, smallMachine, smallTrees } from './machine-trees.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

/** The reason of a refusal, as far as it is one of a list. */
const reasonOf = (refusal: MachineRefusal): string => {
  if (refusal._tag === 'LibvirtRefuses') return `${refusal._tag} ${refusal.rule}`
  return refusal._tag === 'DiskRefused' ? `${refusal._tag} ${refusal.refusal._tag}` : refusal._tag
}

interface Count {
  readonly counts: Map<string, number>
  readonly host: MachineHost
}

/** Plans a deletion, holds the plan against the laws, and counts it, or the reason against it. */
const counted = ({ counts, host }: Count, of: FilledMachine, request: DeleteRequest): string => {
  const plan = deleteSnapshots(of.machine, request, host)
  const what = E.isLeft(plan) ? reasonOf(plan.left) : 'planned'
  const key = `${request.how ?? ''} ${request.direction ?? ''}: ${what}`
  counts.set(key, (counts.get(key) ?? 0) + 1)
  if (E.isRight(plan)) {
    assertMachinePlanKeepsContent(plan.right, of.contents, [2, 1])
    assertMachinePlanSimulates(plan.right, of.contents)
  }
  return what
}

const directions = ['commit', 'pull', 'auto'] as const

/** Every deletion by hand from every small tree. */
const everyDeletion = (
  snapshots: number,
  { state, via }: { readonly state: 'running' | 'shut-off'; readonly via: MachineHost['via'] },
): Readonly<Record<string, number>> => {
  const count: Count = { counts: new Map(), host: { via, capabilities, socket: '/run/vm.qmp' } }
  for (const tree of smallTrees(snapshots)) {
    const of = smallMachine(tree, { state, managed: via === 'libvirt' ? 'libvirt' : 'none' })
    for (const names of everySubset(Array.from(of.machine.snapshots.keys()))) {
      for (const direction of directions) counted(count, of, { snapshots: names, direction, how: 'by hand' })
      if (via !== 'libvirt') continue
      counted(count, of, { snapshots: names, direction: 'auto', how: 'libvirt' })
    }
  }
  return Object.fromEntries(Array.from(count.counts).sort())
}

/** Of one to four snapshots: what was planned and kept every law, and the reasons against all others. */
const running = [
  { 'by hand auto: planned': 2, 'by hand commit: planned': 2, 'by hand pull: planned': 2, 'libvirt auto: planned': 2 },
  {
    'by hand auto: planned': 12,
    'by hand commit: DiskRefused ImageShared': 3,
    'by hand commit: planned': 9,
    'by hand pull: DiskRefused NotThisWay': 2,
    'by hand pull: planned': 10,
    'libvirt auto: LibvirtLoses': 1,
    'libvirt auto: LibvirtRefuses E6': 2,
    'libvirt auto: NotThisWay': 4,
    'libvirt auto: planned': 5,
  },
  {
    'by hand auto: planned': 84,
    'by hand commit: DiskRefused ImageShared': 34,
    'by hand commit: planned': 50,
    'by hand pull: DiskRefused NotThisWay': 20,
    'by hand pull: planned': 64,
    'libvirt auto: LibvirtLoses': 7,
    'libvirt auto: LibvirtRefuses E6': 6,
    'libvirt auto: LibvirtRefuses E7': 2,
    'libvirt auto: LibvirtRefuses E8': 4,
    'libvirt auto: NotThisWay': 48,
    'libvirt auto: planned': 17,
  },
  {
    'by hand auto: planned': 360,
    'by hand commit: DiskRefused ImageShared': 234,
    'by hand commit: planned': 126,
    'by hand pull: DiskRefused NotThisWay': 103,
    'by hand pull: planned': 257,
    'libvirt auto: LibvirtLoses': 44,
    'libvirt auto: LibvirtRefuses E6': 12,
    'libvirt auto: LibvirtRefuses E7': 10,
    'libvirt auto: LibvirtRefuses E8': 14,
    'libvirt auto: NotThisWay': 264,
    'libvirt auto: planned': 16,
  },
]
const shutOff = [
  { 'by hand auto: planned': 2, 'by hand commit: planned': 2, 'by hand pull: planned': 2, 'libvirt auto: planned': 2 },
  {
    'by hand auto: planned': 12,
    'by hand commit: DiskRefused ImageShared': 3,
    'by hand commit: planned': 9,
    'by hand pull: planned': 12,
    'libvirt auto: LibvirtLoses': 1,
    'libvirt auto: LibvirtRefuses E6': 2,
    'libvirt auto: NotThisWay': 4,
    'libvirt auto: planned': 5,
  },
  {
    'by hand auto: planned': 84,
    'by hand commit: DiskRefused ImageShared': 34,
    'by hand commit: planned': 50,
    'by hand pull: planned': 84,
    'libvirt auto: LibvirtLoses': 7,
    'libvirt auto: LibvirtRefuses E16': 2,
    'libvirt auto: LibvirtRefuses E6': 6,
    'libvirt auto: LibvirtRefuses E7': 2,
    'libvirt auto: LibvirtRefuses E8': 4,
    'libvirt auto: NotThisWay': 48,
    'libvirt auto: planned': 15,
  },
  {
    'by hand auto: planned': 360,
    'by hand commit: DiskRefused ImageShared': 234,
    'by hand commit: planned': 126,
    'by hand pull: planned': 360,
    'libvirt auto: LibvirtLoses': 44,
    'libvirt auto: LibvirtRefuses E16': 6,
    'libvirt auto: LibvirtRefuses E6': 12,
    'libvirt auto: LibvirtRefuses E7': 10,
    'libvirt auto: LibvirtRefuses E8': 14,
    'libvirt auto: NotThisWay': 264,
    'libvirt auto: planned': 10,
  },
]
const alone = [
  { 'by hand auto: planned': 2, 'by hand commit: planned': 2, 'by hand pull: planned': 2 },
  {
    'by hand auto: planned': 12,
    'by hand commit: DiskRefused ImageShared': 3,
    'by hand commit: planned': 9,
    'by hand pull: planned': 12,
  },
  {
    'by hand auto: planned': 84,
    'by hand commit: DiskRefused ImageShared': 34,
    'by hand commit: planned': 50,
    'by hand pull: planned': 84,
  },
  {
    'by hand auto: planned': 360,
    'by hand commit: DiskRefused ImageShared': 234,
    'by hand commit: planned': 126,
    'by hand pull: planned': 360,
  },
]

/**
 * In `auto` there is a plan by hand for every one of them, also where libvirt refuses (E6, E7, E8), crashes (E16), would lose
 * something, or is not for it (several at once).
 */
describe.each([
  ['through libvirt, running', { state: 'running', via: 'libvirt' }, running],
  ['through libvirt, shut off', { state: 'shut-off', via: 'libvirt' }, shutOff],
  ['through qemu-img', { state: 'shut-off', via: 'qemu-img' }, alone],
  ['through a storage daemon', { state: 'shut-off', via: 'storage-daemon' }, alone],
] as const)('every deletion from every small tree %s keeps every law', (_, way, expected) => {
  it.each([1, 2, 3, 4])('of %d', (snapshots) => {
    expect(everyDeletion(snapshots, way)).toStrictEqual(expected[snapshots - 1])
  })
})
