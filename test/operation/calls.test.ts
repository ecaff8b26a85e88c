import { describe, expect, it } from 'vitest'

import { addOverlay, commit, copy, pull } from '../../src/index.js'
import type { Plan } from '../../src/index.js'
import { lines, live, offline, parsed, planned, qmp } from './expect-plan.js'

const before = parsed('base[abcd] <- a[-e--] <- top[--f-]^; other[aecd]')
const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const
const nodes = { format: 'new-format', storage: 'new-storage' }

const commands = (plan: Plan): ReadonlyArray<unknown> =>
  plan.steps.map(({ call, until }) => [
    call._tag === 'Qmp' ? call.command : call,
    until === undefined ? '' : until._tag === 'QmpJob' ? until.status : until._tag,
  ])

describe('the calls of a copy', () => {
  it('over QMP, shallow, with a pivot', () => {
    const request = { to: { ...to, nodes, clusterBytes: 65536 }, depth: 'shallow', end: 'pivot', job: 'j' } as const
    expect(commands(planned(copy, before, request, qmp))).toStrictEqual([
      [
        {
          execute: 'blockdev-create',
          arguments: {
            'job-id': 'create-9a5bd291',
            options: { driver: 'file', filename: '/images/new', size: 0 },
          },
        },
        'concluded',
      ],
      [{ execute: 'job-dismiss', arguments: { id: 'create-9a5bd291' } }, ''],
      [
        {
          execute: 'blockdev-add',
          arguments: { driver: 'file', 'node-name': 'new-storage', filename: '/images/new', 'auto-read-only': true },
        },
        '',
      ],
      [
        {
          execute: 'blockdev-create',
          arguments: {
            'job-id': 'create-1e378dd3',
            options: {
              driver: 'qcow2',
              file: 'new-storage',
              size: 262144,
              'cluster-size': 65536,
              'backing-file': '/images/a',
              'backing-fmt': 'qcow2',
            },
          },
        },
        'concluded',
      ],
      [{ execute: 'job-dismiss', arguments: { id: 'create-1e378dd3' } }, ''],
      [
        {
          execute: 'blockdev-add',
          arguments: { driver: 'qcow2', 'node-name': 'new-format', file: 'new-storage', backing: 'a-format' },
        },
        '',
      ],
      [
        {
          execute: 'blockdev-mirror',
          arguments: { 'job-id': 'j', device: 'top-format', target: 'new-format', sync: 'top', 'auto-dismiss': false },
        },
        'ready',
      ],
      [{ execute: 'job-complete', arguments: { id: 'j' } }, 'concluded'],
      [{ execute: 'job-dismiss', arguments: { id: 'j' } }, ''],
      [{ execute: 'query-block' }, 'ChainIs'],
      [{ execute: 'blockdev-del', arguments: { 'node-name': 'top-format' } }, ''],
      [{ execute: 'blockdev-del', arguments: { 'node-name': 'top-storage' } }, ''],
    ])
  })

  it('over QMP, full, kept, onto an image that was made before', () => {
    const made = { ...to, nodes, made: 'before', sizeBytes: 262144 } as const
    const request = { to: made, depth: 'full', end: 'keep', job: 'j' } as const
    expect(commands(planned(copy, before, request, qmp))).toStrictEqual([
      [
        {
          execute: 'blockdev-add',
          arguments: { driver: 'file', 'node-name': 'new-storage', filename: '/images/new', 'auto-read-only': true },
        },
        '',
      ],
      [
        {
          execute: 'blockdev-add',
          arguments: { driver: 'qcow2', 'node-name': 'new-format', file: 'new-storage', backing: null },
        },
        '',
      ],
      [
        {
          execute: 'blockdev-mirror',
          arguments: { 'job-id': 'j', device: 'top-format', target: 'new-format', sync: 'full', 'auto-dismiss': false },
        },
        'ready',
      ],
      [{ execute: 'block-job-cancel', arguments: { device: 'j' } }, 'concluded'],
      [{ execute: 'job-dismiss', arguments: { id: 'j' } }, ''],
      [{ execute: 'query-block' }, 'ChainIs'],
      [{ execute: 'blockdev-del', arguments: { 'node-name': 'new-format' } }, ''],
      [{ execute: 'blockdev-del', arguments: { 'node-name': 'new-storage' } }, ''],
    ])
  })

  it('through libvirt, shallow, onto another chain: made first, with its backing string', () => {
    const request = { to, depth: 'shallow', onto: 'other', end: 'pivot' } as const
    const plan = planned(copy, before, request, live)
    expect(lines(plan)[0]).toBe('qemu-img create -f qcow2 -u -F qcow2 -b /images/other /images/new 262144')
    expect(lines(plan)[1]).toContain('virsh blockcopy guest vda')
    expect(lines(plan)[1]).toContain('--shallow --reuse-external --transient-job')
    expect(plan.assumes).toContainEqual({ _tag: 'SameContents', left: 'a', right: 'other' })
  })

  it('through libvirt, shallow, over the same backing file: libvirt makes it', () => {
    const plan = planned(copy, before, { to, depth: 'shallow', end: 'keep' }, live)
    expect(lines(plan)).toHaveLength(3)
    expect(lines(plan)[0]).toContain('--shallow --transient-job')
    expect(lines(plan)[1]).toBe('virsh blockjob guest vda --abort')
  })

  it('with qemu-img', () => {
    expect(lines(planned(copy, before, { to, depth: 'full', end: 'pivot' }, offline))[0]).toBe(
      'qemu-img convert -f qcow2 -O qcow2 /images/top /images/new',
    )
    expect(lines(planned(copy, before, { to, depth: 'shallow', end: 'pivot' }, offline))[0]).toBe(
      'qemu-img convert -f qcow2 -O qcow2 -B /images/a -F qcow2 /images/top /images/new',
    )
  })
})

describe('the calls of a commit of the active image', () => {
  it('over QMP: no backing string, no held job, and a pivot', () => {
    const [first, second, third] = commands(
      planned(commit, before, { top: 'top', base: 'a', end: 'pivot', job: 'j' }, qmp),
    )
    expect([first, second, third]).toStrictEqual([
      [
        {
          execute: 'block-commit',
          arguments: {
            'job-id': 'j',
            device: 'top-format',
            'top-node': 'top-format',
            'base-node': 'a-format',
            'auto-dismiss': false,
          },
        },
        'ready',
      ],
      [{ execute: 'job-complete', arguments: { id: 'j' } }, 'concluded'],
      [{ execute: 'job-dismiss', arguments: { id: 'j' } }, ''],
    ])
  })

  it('over QMP, kept: the cancel that ends a ready job with everything copied', () => {
    const plan = planned(commit, before, { top: 'top', base: 'a', end: 'keep', job: 'j' }, qmp)
    expect(commands(plan)[1]).toStrictEqual([{ execute: 'block-job-cancel', arguments: { device: 'j' } }, 'concluded'])
  })

  it('through libvirt', () => {
    expect(lines(planned(commit, before, { top: 'top', base: 'base', end: 'pivot' }, live))).toStrictEqual([
      'virsh blockcommit guest vda --base /images/base --top /images/top --active',
      'virsh blockjob guest vda --pivot',
      'virsh dumpxml guest',
    ])
  })
})

describe('the calls of a pull and of an overlay', () => {
  it('through libvirt, flushed at once', () => {
    expect(lines(planned(pull, before, { into: 'top', base: 'base' }, live))).toStrictEqual([
      'virsh blockpull guest vda --base /images/base',
      'virsh suspend guest',
      'virsh resume guest',
      'virsh dumpxml guest',
    ])
  })

  it('with relative strings through libvirt: asked for by name', () => {
    const relative = parsed('base[abcd] <- a[-e--] <- top[--f-]^', { headers: 'relative' })
    expect(lines(planned(pull, relative, { into: 'top', base: 'base' }, live))[0]).toContain('--keep-relative')
    expect(lines(planned(commit, relative, { top: 'a' }, live))[0]).toContain('--keep-relative')
  })

  it('names every other disk of the domain, or libvirt would snapshot it', () => {
    const two = { ...live, domain: { ...live.domain, otherDisks: ['vdb', 'vdc'] } }
    const [step] = planned(addOverlay, before, { overlay: to }, two).steps
    expect(JSON.stringify(step?.call)).toContain(
      '{"name":"disk","attributes":{"name":"vdb","snapshot":"no"},"children":[]}',
    )
    expect(JSON.stringify(step?.call)).toContain(
      '{"name":"disk","attributes":{"name":"vdc","snapshot":"no"},"children":[]}',
    )
  })
})
