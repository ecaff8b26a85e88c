// A domain that libvirt was only told to run: what its records store, and what becomes of them.

import { writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import type { MachinePlan } from '../../src/plan/machine-plan.js'
import { factsOf } from './machine/facts.js'
import { labForAll } from './machine/lab.js'
import { does, expectRefusedByLibvirt, reasonOf, refuses, type Asked } from './machine/plans.js'
import { three } from './machine/scenarios.js'
import { inSession, type Session } from './machine/session.js'

const lab = labForAll()

const onTransient = (act: (session: Session) => Promise<void>): Promise<void> =>
  inSession(lab, 'shut-off', async (session) => {
    const { libvirt, folder } = session.stage
    const file = `${folder}.xml`
    await writeFile(file, await session.virsh('dumpxml', '--inactive'))
    await session.virsh('undefine')
    await libvirt.ask('create', file)
    await act(session)
  })

/** Does it, and holds what every record stores of the chains against what was foretold, to the last image. */
const doesExactly = async (session: Session, asked: Asked): Promise<MachinePlan> => {
  const plan = await does(session, asked)
  const { seen } = await session.look()
  for (const [name, { recorded }] of plan.after.snapshots) {
    const found = seen.records.get(name)
    expect({ name, stored: found && factsOf(found).domain }).toEqual({
      name,
      stored: recorded && factsOf(recorded).domain,
    })
  }
  expect(plan.after.definitions?.persistent).toBeUndefined()
  expect(plan.assumes).toContainEqual({ _tag: 'RecordsEnd', domain: session.stage.domain })
  return plan
}

it('a record stores what lies below as far as libvirt was given it, or has laid an overlay on it', () =>
  onTransient(async (session) => {
    for (const name of ['s1', 's2']) await doesExactly(session, { take: { name } })
    await does(session, { take: { name: 'n', metadata: 'none' } })
    await doesExactly(session, { take: { name: 's3', disks: new Map([['vdb', { mode: 'no' }]]) } })
    await doesExactly(session, { take: { name: 's4' } })
  }))

it('a snapshot that was taken shut off, before the domain was run so, has nothing stored below its overlays', () =>
  inSession(lab, 'shut-off', async (session) => {
    await session.taken('s1')
    await session.virsh('start')
    await session.virsh('undefine')
    const { seen, machine } = await session.look()
    expect([seen.persistent, machine.definitions?.persistent]).toEqual([undefined, undefined])
    await session.virsh('snapshot-create-as', 's2', '--disk-only')
    const { seen: after } = await session.look()
    const record = after.records.get('s2')
    // libvirt goes on with a definition for the next start, which it will not have.
    expect(record && factsOf(record).inactiveDomain).toEqual([
      `vda: ? <- qcow2 ${session.path('vda.s1')}`,
      `vdb: ? <- qcow2 ${session.path('vdb.s1')}`,
    ])
  }))

it('deletes, by libvirt and by hand', () =>
  onTransient(async (session) => {
    await three(session)
    await doesExactly(session, { delete: { snapshots: ['s2'], how: 'libvirt' } })
    await session.taken('s4')
    await doesExactly(session, { delete: { snapshots: ['s1'], how: 'by hand', direction: 'commit' } })
    await doesExactly(session, { delete: { snapshots: ['s4'], how: 'by hand', direction: 'pull' } })
    await doesExactly(session, { take: { name: 's5' } })
    await doesExactly(session, { forget: { snapshots: ['s3'] } })
  }))

it('a revert: not by hand, nor to be shut off; by libvirt it goes on, and so do the records', () =>
  onTransient(async (session) => {
    await three(session)
    const byHand = await refuses(session, { revert: { to: 's2', guest: 'running' } })
    expect(reasonOf(byHand)).toBe('NotThisWay')
    const libvirt = { how: 'libvirt', definition: 'as taken', present: 'discard' } as const
    const off = await refuses(session, { revert: { to: 's2', ...libvirt } })
    expect(reasonOf(off)).toBe('LibvirtRefuses R4')
    await expectRefusedByLibvirt(session, off)
    await doesExactly(session, { revert: { to: 's2', guest: 'running', ...libvirt } })
    await session.write(5, 'r')
    await doesExactly(session, { take: { name: 's4' } })
    await doesExactly(session, { revert: { to: 's1', guest: 'running', ...libvirt } })
    await doesExactly(session, { take: { name: 's5' } })
    await doesExactly(session, { take: { name: 's6' } })
    await doesExactly(session, { revert: { to: 's3', guest: 'paused', ...libvirt } })
  }))

it('a change of one chain', () =>
  onTransient(async (session) => {
    await three(session)
    await doesExactly(session, { forget: { snapshots: ['s1'] } })
    const commit = { top: session.path('vda.s1'), base: session.path('vda.qcow2'), leftovers: 'remove' } as const
    await doesExactly(session, { change: { disk: 'vda', commit, metadata: 'carry' } })
    await doesExactly(session, { take: { name: 's4' } })
  }))
