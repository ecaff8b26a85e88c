import { describe, expect, it } from 'vitest'

import { judgeChain, judgeLibvirtJob, judgeLibvirtJobs, judgeQmpJob } from '../../src/index.js'

describe('judgeQmpJob', () => {
  const wait = (status: 'ready' | 'pending' | 'concluded') => ({ _tag: 'QmpJob', job: 'j', status }) as const

  it.each([
    ['ready', [{ id: 'j', status: 'running' }], 'waiting'],
    ['ready', [{ id: 'j', status: 'standby' }], 'waiting'],
    ['ready', [{ id: 'j', status: 'ready' }], 'reached'],
    ['ready', [{ id: 'j', status: 'concluded' }], 'failed'],
    ['pending', [{ id: 'j', status: 'waiting' }], 'waiting'],
    ['pending', [{ id: 'j', status: 'pending' }], 'reached'],
    ['pending', [{ id: 'j', status: 'aborting' }], 'failed'],
    ['concluded', [{ id: 'j', status: 'pending' }], 'waiting'],
    ['concluded', [{ id: 'j', status: 'concluded' }], 'reached'],
    ['concluded', [{ id: 'j', status: 'concluded', error: 'No space left on device' }], 'failed'],
    ['concluded', [{ id: 'other', status: 'concluded' }], 'lost'],
    ['concluded', [], 'lost'],
  ] as const)('a wait for %s, with %j, is %s', (status, jobs, state) => {
    expect(judgeQmpJob(wait(status), jobs)).toBe(state)
  })
})

describe('judgeLibvirtJob', () => {
  it.each([
    ['ready', 3, 'reached'],
    ['ready', 0, 'failed'],
    ['ready', 1, 'failed'],
    ['completed', 3, 'waiting'],
    ['completed', 0, 'reached'],
    ['completed', 1, 'failed'],
    ['completed', 2, 'failed'],
    ['canceled', 2, 'reached'],
    ['canceled', 0, 'failed'],
  ] as const)('a wait for %s, on event %d, is %s', (status, event, state) => {
    expect(judgeLibvirtJob({ _tag: 'LibvirtJob', disk: 'vda', status }, event)).toBe(state)
  })
})

describe('judgeLibvirtJobs', () => {
  const wait = { _tag: 'LibvirtJobs', disks: ['vda', 'vdb'], status: 'completed' } as const
  it.each([
    [{}, 'waiting'],
    [{ vda: 0 }, 'waiting'],
    [{ vda: 0, vdb: 0 }, 'reached'],
    [{ vda: 0, vdb: 3 }, 'waiting'],
    [{ vdb: 1 }, 'failed'],
    [{ vda: 0, vdb: 2 }, 'failed'],
    [{ vda: 0, vdz: 0 }, 'waiting'],
  ] as const)('events %j are %s', (events, state) => {
    expect(judgeLibvirtJobs(wait, new Map(Object.entries(events)))).toBe(state)
  })
})

describe('judgeChain', () => {
  const wait = {
    _tag: 'ChainIs',
    disk: 'vda',
    images: [
      { image: 'base', format: 'raw', location: '/images/base' },
      { image: 'top', format: 'qcow2', location: '/images/top' },
    ],
  } as const
  const base = { format: 'raw', location: '/images/base' }
  const top = { format: 'qcow2', location: '/images/top' }

  it.each([
    ['the same images', [base, top], 'reached'],
    ['another spelling', [base, { ...top, location: '/images/x/../top' }], 'reached'],
    ['another order', [top, base], 'failed'],
    ['another format', [{ ...base, format: 'qcow2' }, top], 'failed'],
    ['one too few', [top], 'failed'],
    ['one too many', [base, top, top], 'failed'],
    ['nothing', [], 'failed'],
  ] as const)('%s', (_, reported, state) => {
    expect(judgeChain(wait, reported)).toBe(state)
  })
})
