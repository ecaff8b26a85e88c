// FACTS-qemu.md section 2.16 and trap 9.C: which headers are written, with which string, and what is left open.

import { describe, expect, it } from 'vitest'

import { liveChain, withAccess } from 'backing-chain/simulate'
import type { World } from 'backing-chain/simulate'
import {
  after,
  at,
  cont,
  commitActive,
  commitJob,
  commitMiddle,
  dismiss,
  faultOf,
  header,
  host,
  node,
  qmp,
  refusalOf,
  stop,
  stream,
  streamJob,
} from './pretend.js'

const four = 'l0[a---] <- l1[-b--] <- l2[--c-] <- l3[---d]^'
const headers = (world: World): ReadonlyArray<string> => ['l0', 'l1', 'l2', 'l3'].map((name) => header(world, name))
const absolute = ['none', '/images/l0 qcow2', '/images/l1 qcow2', '/images/l2 qcow2']
const live = (world: World): string =>
  liveChain(world)
    .map(({ path }) => path.slice('/images/'.length))
    .join(' <- ')
const del = (name: string) => qmp({ execute: 'blockdev-del', arguments: { 'node-name': name } })

describe('the header', () => {
  it('of the overlay gets the string that a commit gives it, as it is, and the format of base', () => {
    const done = after(host(four), commitMiddle({ device: 'l3', top: 'l2', base: 'l0', header: '../images/l0' }))
    expect(headers(done)).toEqual([...absolute.slice(0, 3), '../images/l0 qcow2'])
  })

  it('gets the format of a raw base', () => {
    const done = after(
      host('l0:raw[aaaa] <- l1[-b--] <- l2[--c-]^'),
      commitMiddle({ device: 'l2', top: 'l1', base: 'l0' }),
    )
    expect(header(done, 'l2')).toBe('/images/l0 raw')
  })

  it('gets the absolute path where backing-file is left out and base was opened as its header says', () => {
    const relative = host(four, { headers: 'relative' })
    const done = after(relative, [commitJob({ device: 'l3', top: 'l2', base: 'l0' }), dismiss])
    expect(header(done, 'l3')).toBe('/images/l0 qcow2')
  })

  it('gets a json: string where backing-file is left out and base was opened otherwise', () => {
    const relative = host(four, { headers: 'relative' })
    const done = after(relative, [commitJob({ device: 'l3', top: 'l2', base: 'l1' }), dismiss])
    expect(header(done, 'l3')).toBe(
      'json:{"backing": {"driver": "qcow2", "file": {"driver": "file", "filename": "/images/l0"}}, "driver": "qcow2", "file": {"driver": "file", "filename": "/images/l1"}} qcow2',
    )
  })

  it('gets the plain path where QEMU opened the backing files itself', () => {
    const relative = host(four, { headers: 'relative', nodes: 'implicit' })
    const done = after(relative, [commitJob({ device: 'l3', top: 'l2', base: 'l1' }), dismiss])
    expect(header(done, 'l3')).toBe('/images/l1 qcow2')
  })

  it('is not touched by a commit of the active image', () => {
    expect(headers(after(host(four), commitActive({ device: 'l3', base: 'l0' })))).toEqual(absolute)
  })

  it('of the target loses its backing file when everything is pulled', () => {
    expect(headers(after(host(four), stream('l2')))).toEqual(['none', '/images/l0 qcow2', 'none', '/images/l2 qcow2'])
  })

  it('is rewritten even by a stream that copies nothing', () => {
    const relative = host(four, { headers: 'relative', nodes: 'implicit' })
    const job = qmp({
      execute: 'block-stream',
      arguments: { 'job-id': 'j', device: node('l3'), 'base-node': node('l2') },
    })
    const done = after(relative, [job, qmp({ execute: 'query-jobs' })])
    expect(header(done, 'l3')).toBe('l2 qcow2')
  })
})

describe('what is left open', () => {
  it('is every dropped image that the monitor owns, still chained to base', () => {
    const done = after(host(four), commitMiddle({ device: 'l3', top: 'l2', base: 'l0', header: '/images/l0' }))
    expect(live(done)).toBe('l0 <- l3')
    expect(refusalOf(done, [del(node('l1'))])).toBe(
      "Node 'l1-format' is busy: node is used as backing hd of 'l2-format'",
    )
    const closed = after(done, [del(node('l2')), del('l2-storage'), del(node('l1')), del('l1-storage')])
    expect(refusalOf(closed, [del(node('l1'))])).toBe("Failed to find node with node-name='l1-format'")
  })

  it('is nothing where QEMU owns them', () => {
    const done = after(
      host(four, { nodes: 'implicit' }),
      commitMiddle({ device: 'l3', top: 'l2', base: 'l0', header: 'l0' }),
    )
    expect(refusalOf(done, [del(node('l2'))])).toBe("Failed to find node with node-name='l2-format'")
    expect(refusalOf(done, [del(node('l0'))])).toContain('is busy: node is used as backing hd of')
  })

  it('is the old chain of a commit of the active image, and base is the disk', () => {
    const done = after(host(four), commitActive({ device: 'l3', base: 'l1' }))
    expect(live(done)).toBe('l0 <- l1')
    expect(refusalOf(done, [del(node('l1'))])).toBe('Node l1-format is in use')
    after(done, [del(node('l3')), del('l3-storage'), del(node('l2')), del('l2-storage')])
  })

  it('is pinned by a commit or a stream that was not dismissed', () => {
    const undismissed = after(host(four), [commitJob({ device: 'l3', top: 'l2', base: 'l1', header: '/images/l1' })])
    expect(refusalOf(undismissed, [del(node('l2'))])).toBe(
      "Node 'l2-format' is busy: block device is in use by block job: commit",
    )
    expect(refusalOf(undismissed, [commitJob({ device: 'l3', top: 'l1', base: 'l0' })])).toBe('Need a root block node')
  })
})

describe('QEMU dies', () => {
  const deep = (count: number): string =>
    `${Array.from({ length: count }, (_, index) => `l${index}[--]`).join(' <- ')}^`

  it('where the string of an intermediate commit is longer than 1,023 bytes', () => {
    const world = host(four)
    const fault = faultOf(world, [commitJob({ device: 'l3', top: 'l2', base: 'l1', header: `/${'x'.repeat(1023)}` })])
    expect(fault).toMatchObject({ _tag: 'Crash', world: { qemu: undefined } })
    if (fault._tag === 'Crash') expect(headers(fault.world)).toEqual(absolute)
  })

  it('where it may not write the overlay of an intermediate commit', () => {
    const job = commitJob({ device: 'l3', top: 'l1', base: 'l0', header: '/images/l0' })
    const fault = faultOf(withAccess(host(four), '/images/l2', 'read-only'), [job])
    expect(fault).toMatchObject({ _tag: 'Crash', world: { qemu: undefined } })
    expect(refusalOf(withAccess(host(four), '/images/l0', 'read-only'), [job])).toBe(
      "Could not open '/images/l0': Permission denied",
    )
  })

  it('where it makes up that string itself on a deep chain', () => {
    const top = { device: 'l19', top: 'l18', base: 'l17' }
    expect(faultOf(host(deep(20), { headers: 'relative' }), [commitJob(top)])._tag).toBe('Crash')
    after(host(deep(20), { headers: 'absolute' }), [commitJob(top)])
  })

  it('where nodes are listed between the conclusion and the dismissal of a stream', () => {
    const list = qmp({ execute: 'query-named-block-nodes', arguments: { flat: true } })
    expect(faultOf(host(four), [streamJob('l3', undefined), list])._tag).toBe('Crash')
    after(host(four), [streamJob('l3', undefined), dismiss, list])
    after(host(four), [commitJob({ device: 'l3', top: 'l2', base: 'l1', header: 'l1' }), list])
  })

  it('where the guest reads while a stream with nothing to copy is pending', () => {
    const pending = streamJob('l3', 'l2', { 'auto-finalize': false }, at('j', 'pending'))
    expect(faultOf(host(four), [pending])._tag).toBe('Crash')
    expect(faultOf(host(four), [stop, pending, cont])._tag).toBe('Crash')
    after(host(four), [stop, pending, qmp({ execute: 'job-finalize', arguments: { id: 'j' } }), dismiss, cont])
  })

  it('but a stream with such a string only fails, with the graph changed and the header not', () => {
    const job = streamJob('l3', 'l1', { 'backing-file': 'x'.repeat(1024) })
    expect(faultOf(host(four), [job])).toMatchObject({ _tag: 'WaitFailed', desc: 'Invalid argument' })
    const failed = faultOf(host(four), [job])
    if (failed._tag === 'WaitFailed')
      expect([live(failed.world), header(failed.world, 'l3')]).toEqual(['l0 <- l1 <- l3', '/images/l2 qcow2'])
  })
})
