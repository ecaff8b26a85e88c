// Snapshots taken on a libvirt domain with two disks.

import { describe, expect, it } from 'vitest'
import type { TakeRequest } from '../../src/operation/machine-request.js'
import { labForAll } from './machine/lab.js'
import { does } from './machine/plans.js'
import { inSession } from './machine/session.js'

const lab = labForAll()

describe.each(['running', 'shut-off'] as const)('%s', (guest) => {
  it('three, of both disks', async () => {
    await inSession(lab, guest, async (session) => {
      for (const name of ['s1', 's2', 's3']) {
        if (guest === 'running') await session.write(2, name.charAt(1))
        const plan = await does(session, { take: { name, description: `the ${name} & <more>` } })
        expect(plan.consistency).toBe(guest === 'running' ? 'crash' : 'clean')
      }
    })
  })

  it('one of one disk', async () => {
    await inSession(lab, guest, async (session) => {
      const disks: TakeRequest['disks'] = new Map([['vdb', { mode: 'no' }]])
      await does(session, { take: { name: 's1', disks } })
      await does(session, { take: { name: 's2' } })
    })
  })

  it('one whose overlays are named by the caller', async () => {
    await inSession(lab, guest, async (session) => {
      const overlay = (name: string) =>
        ({ name, format: 'qcow2', location: { _tag: 'File', path: session.path(name) } }) as const
      const disks: TakeRequest['disks'] = new Map([['vda', { mode: 'external', overlay: overlay('here.qcow2') }]])
      await does(session, { take: { name: 's1', disks } })
    })
  })

  it('one without a record, and one over it', async () => {
    await inSession(lab, guest, async (session) => {
      await does(session, { take: { name: 's1', metadata: 'none' } })
      await does(session, { take: { name: 's2' } })
    })
  })
})

it('shut off, inside the images', async () => {
  await inSession(lab, 'shut-off', async (session) => {
    const disks: TakeRequest['disks'] = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ])
    await does(session, { take: { name: 'i1', disks } })
    await does(session, { take: { name: 's1' } })
  })
})

it('running, with the memory in a file', async () => {
  await inSession(lab, 'running', async (session) => {
    await session.write(2, 'm')
    const memory = { _tag: 'External', path: session.path('s1.memory') } as const
    const plan = await does(session, { take: { name: 's1', memory } })
    expect(plan.consistency).toBe('memory')
    await does(session, { delete: { snapshots: ['s1'] } })
  })
})

it('running, with the memory inside the images', async () => {
  await inSession(lab, 'running', async (session) => {
    await session.write(2, 'm')
    const disks: TakeRequest['disks'] = new Map([
      ['vda', { mode: 'internal' }],
      ['vdb', { mode: 'internal' }],
    ])
    await does(session, { take: { name: 'i1', disks, memory: { _tag: 'Internal' } } })
    await does(session, { delete: { snapshots: ['i1'] } })
  })
})

it('running, quiesced where an agent answers, and none does', async () => {
  await inSession(lab, 'running', async (session) => {
    const plan = await does(session, { take: { name: 's1', quiesce: 'prefer' } })
    expect(plan.consistency).toBe('quiesced or crash')
  })
})
