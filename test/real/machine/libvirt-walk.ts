// libvirt's own functions, called at random, whatever they lose: what it does to records and files has been foreseen.

import * as E from 'fp-ts/lib/Either.js'
import { expect } from 'vitest'
import type { Machine } from 'backing-chain'
import { predictDelete, type LibvirtDeletion } from '../../../src/operation/libvirt-delete.js'
import { factsOf } from './facts.js'
import { revertByLibvirt } from './libvirt-revert.js'
import { machineOf } from './machine-of.js'
import { observe, type Observed } from './observe.js'
import { randomOf, type Random } from './random.js'
import { inSession, type Session } from './session.js'
import { targets, type Lab, type Target } from './stage.js'
import { objection, said } from './virsh-error.js'

const filesAfter = (before: Observed, of: LibvirtDeletion): ReadonlyArray<string> => {
  const files = new Set(before.files.keys())
  for (const path of of.unlinked) files.delete(path)
  for (const disk of of.disks) {
    if (disk.way === 'commit') files.delete(disk.overlay)
    if (disk.way === 'unlink' && disk.file === 'unlinked') files.delete(disk.path)
  }
  return Array.from(files).sort()
}

const factsAfter = (seen: Observed): object => ({
  records: new Map(Array.from(seen.records, ([name, record]) => [name, factsOf(record)])),
  current: seen.current,
  files: Array.from(seen.files.keys()),
})

const foreseen = (before: Observed, of: LibvirtDeletion): object => ({
  records: new Map(Array.from(of.records, ([name, record]) => [name, factsOf(record)])),
  current: of.current,
  files: filesAfter(before, of),
})

const children = { none: [], children: ['--children'], 'children only': ['--children-only'] } as const

const remove = async (
  session: Session,
  of: { before: Observed; machine: Machine },
  random: Random,
): Promise<string> => {
  const name = random.pick(Array.from(of.before.records.keys()))
  const flags = random.weighted([
    [6, 'none'],
    [1, 'children'],
    [1, 'children only'],
  ] as const)
  const predicted = predictDelete(of.machine, name, { children: flags })
  if (E.isLeft(predicted) && predicted.left.rule === 'E16') return 'E16'
  const ran = await session.tryVirsh('snapshot-delete', name, ...children[flags])
  const words = said(ran)
  if (E.isLeft(predicted)) {
    expect({ name, flags, words }).toEqual({ name, flags, words: `error: ${predicted.left.desc}` })
    return predicted.left.rule
  }
  if (ran.code !== 0 && objection.test(words)) return 'objection'
  expect({ name, flags, words }).toEqual({ name, flags, words: '' })
  expect(factsAfter(await observe(session.stage))).toEqual(foreseen(of.before, predicted.right))
  return `delete ${predicted.right.disks.map(({ way }) => way).join(' ')}`
}

let counted = 0

/** With the guest's memory in a file, of all disks, of one, or of none. */
const takeMemory = async (session: Session, name: string, random: Random): Promise<string> => {
  const left = random.weighted<ReadonlyArray<Target>>([
    [4, []],
    [1, [random.pick(targets)]],
    [1, targets],
  ])
  const disks = left.flatMap((target) => ['--diskspec', `${target},snapshot=no`])
  await session.tryVirsh('snapshot-create-as', name, '--memspec', session.path(`${name}.memory`), ...disks)
  return 'take memory'
}

const take = async (session: Session, { before }: { before: Observed }, random: Random): Promise<string> => {
  const name = `s${String(counted++)}`
  if (before.state !== 'shut-off' && random.oneIn(3)) return takeMemory(session, name, random)
  const inside = before.state === 'shut-off' && random.oneIn(4)
  const subset = random.oneIn(6) ? ['--diskspec', `${random.pick(targets)},snapshot=no`] : []
  await session.tryVirsh('snapshot-create-as', name, ...(inside ? [] : ['--disk-only', ...subset]))
  return inside ? 'take internal' : 'take'
}

const change = async (session: Session, { before }: { before: Observed }, random: Random): Promise<string> => {
  const disk = random.pick(targets)
  if (before.state === 'shut-off') {
    await session.tryVirsh('start')
    return 'start'
  }
  const way = random.weighted([
    [3, 'destroy'],
    [2, 'blockcommit'],
    [1, 'blockpull'],
  ] as const)
  const more =
    way === 'destroy' ? [] : [disk, '--wait', ...(way === 'blockcommit' ? ['--active', '--shallow', '--pivot'] : [])]
  await session.tryVirsh(way, ...more)
  return way
}

/** How often, among other things, libvirt is asked to revert. */
export type Reverts = 'some' | 'many'

const step = async (session: Session, random: Random, reverts: Reverts): Promise<string> => {
  const before = await observe(session.stage)
  const machine = machineOf(before)
  const at = { before, machine }
  const what =
    before.records.size === 0
      ? 'take'
      : random.weighted([
          [4, 'take'],
          [5, 'remove'],
          [reverts === 'many' ? 8 : 3, 'revert'],
          [2, 'change'],
          [1, 'forget'],
        ] as const)
  const name = random.pick([...before.records.keys(), ''])
  switch (what) {
    case 'take':
      return take(session, at, random)
    case 'remove':
      return remove(session, at, random)
    case 'change':
      return change(session, at, random)
    case 'forget':
      await session.tryVirsh('snapshot-delete', name, '--metadata')
      return 'forget'
    case 'revert':
      return revertByLibvirt(session, at, random)
  }
}

/** Walks on new machines, each until something is broken or for so many steps; gives back how often what happened. */
export const walkOfLibvirt = async (
  lab: Lab,
  {
    seed,
    machines,
    steps,
    reverts,
  }: { readonly seed: number; readonly machines: number; readonly steps: number; readonly reverts: Reverts },
): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>()
  for (let index = 0; index < machines; index++) {
    const random = randomOf(seed + index)
    const log: string[] = []
    await inSession(lab, random.pick(['running', 'shut-off'] as const), async (session) => {
      for (let taken = 0; taken < steps; taken++) {
        try {
          const done = await step(session, random, reverts)
          log.push(done)
          counts.set(done, (counts.get(done) ?? 0) + 1)
        } catch (error) {
          if (/qemu-img.*(No such file|Could not open)|is no image|DanglingBacking/s.test(String(error))) return
          throw new Error(`seed ${String(seed + index)}, after ${log.join(', ')}`, { cause: error })
        }
      }
    })
  }
  return counts
}
