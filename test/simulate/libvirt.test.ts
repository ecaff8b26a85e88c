// FACTS-libvirt.md sections 1.3, 1.5 and 1.6: what libvirt refuses, writes down, and leaves behind.

import { describe, expect, it } from 'vitest'

import type { LibvirtCall } from 'backing-chain'
import { fileAt, kill, liveChain, start } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { after, clusterAt, element, guest, header, host, img, libvirt, own, refusalOf, right, seen } from './pretend.js'
import type { HostOptions } from './pretend.js'
import { guestWrite } from 'backing-chain/simulate'

const picture = 'l0[a---] <- l1[-b--] <- l2[--c-] <- l3[---d]^'
const on = { domain: 'vm', disk: 'vda' }
const domain = { name: 'vm', definition: 'persistent' } as const
const vm = (options: HostOptions = {}): World => host(picture, { domain, ...options })
type Flags<Name extends LibvirtCall['call']> = Extract<LibvirtCall, { readonly call: Name }>['flags']

const blockCommit = (
  top: string | null,
  base: string | null,
  flags: Flags<'virDomainBlockCommit'> = [],
  status: 'ready' | 'completed' = 'completed',
): SimStep => libvirt({ call: 'virDomainBlockCommit', arguments: { ...on, top, base, bandwidth: 0 }, flags }, status)

const abort = (flags: Flags<'virDomainBlockJobAbort'> = []): SimStep =>
  libvirt(
    { call: 'virDomainBlockJobAbort', arguments: on, flags },
    flags.includes('VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT') ? 'completed' : 'canceled',
  )
const pivot = abort(['VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT'])
const active = blockCommit(null, '/images/l1', ['VIR_DOMAIN_BLOCK_COMMIT_ACTIVE'], 'ready')

const rebase = (base: string | null, flags: Flags<'virDomainBlockRebase'> = []): SimStep =>
  libvirt({ call: 'virDomainBlockRebase', arguments: { ...on, base, bandwidth: 0 }, flags }, 'completed')

const copy = (
  flags: Flags<'virDomainBlockCopy'>,
  more: ReadonlyArray<ReturnType<typeof element>> = [],
  file = '/images/n',
): SimStep =>
  libvirt(
    {
      call: 'virDomainBlockCopy',
      arguments: {
        ...on,
        destxml: element('disk', { type: 'file' }, [
          element('source', { file }),
          element('driver', { type: 'qcow2' }),
          ...more,
        ]),
      },
      flags,
    },
    'ready',
  )
const transient = 'VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB' as const

const snapshot = (flags: Flags<'virDomainSnapshotCreateXML'> = []): SimStep =>
  libvirt({
    call: 'virDomainSnapshotCreateXML',
    arguments: {
      domain: 'vm',
      xml: element('domainsnapshot', {}, [
        element('disks', {}, [
          element('disk', { name: 'vda', snapshot: 'external', type: 'file' }, [
            element('driver', { type: 'qcow2' }),
            element('source', { file: '/images/n' }),
          ]),
          element('disk', { name: 'vdb', snapshot: 'no' }),
        ]),
      ]),
    },
    flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA', 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY', ...flags],
  })

const live = (world: World): string =>
  liveChain(world)
    .map(({ path }) => path.slice('/images/'.length))
    .join(' <- ')
const definition = ({ boot }: World): string =>
  [...boot.backingStore, boot].map(({ path }) => path.slice('/images/'.length)).join(' <- ') +
  (boot.terminated ? ' .' : '')

describe('libvirt refuses', () => {
  const notRunning = 'Requested operation is not valid: domain is not running'
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<SimStep>, string]> = [
    [
      'a commit of the active image without the flag',
      [blockCommit(null, null)],
      "invalid argument: commit of 'vda' active layer requires active flag",
    ],
    [
      'the flag for another image',
      [blockCommit('/images/l2', null, ['VIR_DOMAIN_BLOCK_COMMIT_ACTIVE'])],
      "invalid argument: active commit requested but '/images/l2' is not active",
    ],
    [
      'the lowest image as top',
      [blockCommit('/images/l0', null)],
      "invalid argument: top '/images/l0' in chain for '/images/l3' has no backing file",
    ],
    [
      'a base above top',
      [blockCommit('/images/l1', '/images/l2')],
      "invalid argument: could not find image '/images/l2' beneath '/images/l1' in chain for 'vda'",
    ],
    [
      'an unknown domain',
      [libvirt({ call: 'virDomainSuspend', arguments: { domain: 'x' }, flags: [] })],
      "Domain not found: no domain with matching name 'x'",
    ],
    [
      'RELATIVE where the chain is absolute',
      [blockCommit('/images/l2', '/images/l1', ['VIR_DOMAIN_BLOCK_COMMIT_RELATIVE'])],
      "Requested operation is not valid: can't keep relative backing relationship",
    ],
    [
      'an abort without a job',
      [abort()],
      'Requested operation is not valid: disk vda does not have an active block job',
    ],
    ['a copy on a persistent domain', [copy([])], 'Requested operation is not valid: domain is not transient'],
    [
      'the same through BlockRebase',
      [rebase('/images/n', ['VIR_DOMAIN_BLOCK_REBASE_COPY'])],
      'Requested operation is not valid: domain is not transient',
    ],
    [
      'flags of a copy on a pull',
      [rebase(null, ['VIR_DOMAIN_BLOCK_REBASE_SHALLOW'])],
      'Requested operation is not valid: use of flags requires a copy job',
    ],
    [
      'RELATIVE with NULL',
      [rebase(null, ['VIR_DOMAIN_BLOCK_REBASE_RELATIVE'])],
      'invalid argument: flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base',
    ],
    [
      'a copy to NULL',
      [rebase(null, ['VIR_DOMAIN_BLOCK_REBASE_COPY'])],
      'invalid argument: base in virDomainBlockRebase must not be NULL',
    ],
    [
      'a relative destination',
      [copy([transient], [], 'n')],
      'invalid argument: absolute path must be used as block copy target',
    ],
    [
      'a chain for a full copy',
      [copy([transient], [element('backingStore')])],
      "Operation not supported: backingStore of mirror without VIR_DOMAIN_BLOCK_COPY_SHALLOW doesn't make sense",
    ],
    [
      'a destination that is there',
      [img('create', '-f', 'qcow2', '/images/n', '262144'), copy([transient])],
      'external destination file for disk vda already exists and is not a block device: /images/n',
    ],
    [
      'an overlay that is there',
      [img('create', '-f', 'qcow2', '/images/n', '262144'), snapshot()],
      'unsupported configuration: external snapshot file for disk vda already exists and is not a block device: /images/n',
    ],
    [
      'a second job',
      [active, blockCommit('/images/l2', '/images/l1')],
      "block copy still active: disk 'vda' already in active block job",
    ],
    [
      'a snapshot during a job',
      [active, snapshot()],
      "block copy still active: disk 'vda' already in active block job",
    ],
  ]
  it.each(cases)('%s', (_, steps, text) => expect(refusalOf(vm(), steps)).toBe(text))

  it('every job on a domain that is shut off', () => {
    for (const step of [blockCommit('/images/l1', null), rebase(null), copy([transient]), abort()])
      expect(refusalOf(vm({ guest: 'shut-off' }), [step])).toBe(notRunning)
  })

  it('a pivot before its time', () => {
    const early = libvirt({
      call: 'virDomainBlockCommit',
      arguments: { ...on, top: null, base: null, bandwidth: 0 },
      flags: ['VIR_DOMAIN_BLOCK_COMMIT_ACTIVE'],
    })
    expect(refusalOf(vm(), [early, pivot])).toMatch(
      /^block copy still active: block job 'commit-.*' not ready for pivot yet$/,
    )
  })

  it('what QEMU refuses, and says so', () => {
    const locked = img('create', '-f', 'qcow2', '/images/l1', '1M')
    expect(refusalOf(vm(), [locked])).toContain('Failed to get "write" lock')
  })
})

describe('libvirt and headers', () => {
  it('makes a relative string absolute, unless it is told to keep it', () => {
    const relative = vm({ headers: 'relative' })
    expect(header(after(relative, [blockCommit('/images/l2', '/images/l1')]), 'l3')).toBe('/images/l1 qcow2')
    const kept = after(relative, [blockCommit('/images/l2', '/images/l1', ['VIR_DOMAIN_BLOCK_COMMIT_RELATIVE'])])
    expect([header(kept, 'l3'), header(kept, 'l1')]).toEqual(['l1 qcow2', 'l0 qcow2'])
    expect(header(after(relative, [rebase('/images/l0', ['VIR_DOMAIN_BLOCK_REBASE_RELATIVE'])]), 'l3')).toBe('l0 qcow2')
  })

  it('deletes files only where it is told to', () => {
    const gone = after(vm(), [blockCommit('/images/l2', '/images/l0', ['VIR_DOMAIN_BLOCK_COMMIT_DELETE'])])
    expect([own(gone, 'l2'), own(gone, 'l1'), own(gone, 'l0'), own(gone, 'l3')]).toEqual([
      'gone',
      'gone',
      'abc-',
      '---d',
    ])
    expect(own(after(vm(), [blockCommit('/images/l2', '/images/l0')]), 'l2')).toBe('--c-')
  })
})

describe('the persistent definition', () => {
  const stored = (names: ReadonlyArray<string>): HostOptions => ({
    backingStore: names.map((name) => ({ path: `/images/${name}`, format: 'qcow2' as const })),
  })

  it('that stores no chain still stores none after a commit and a pull', () => {
    expect(definition(after(vm(), [blockCommit('/images/l2', '/images/l1')]))).toBe('l3')
    expect(definition(after(vm(), [rebase('/images/l0')]))).toBe('l3')
    expect(definition(after(vm(), [rebase(null)]))).toBe('l3')
  })

  it('that stores the live chain is edited in place', () => {
    const whole = vm(stored(['l0', 'l1', 'l2']))
    expect(definition(after(whole, [blockCommit('/images/l2', '/images/l1')]))).toBe('l0 <- l1 <- l3')
    expect(definition(after(whole, [rebase('/images/l0')]))).toBe('l0 <- l3')
    expect(definition(after(whole, [rebase(null)]))).toBe('l3')
    expect(definition(after(whole, [active, pivot]))).toBe('l0 <- l1')
  })

  it('that stores less than the live chain is cleared', () => {
    expect(definition(after(vm(stored(['l2'])), [blockCommit('/images/l2', '/images/l1')]))).toBe('l3')
  })

  it('gets the new source at a pivot, and nothing where the job is only ended', () => {
    expect(definition(after(vm(), [active, pivot]))).toBe('l1')
    expect(definition(after(vm(), [active, abort()]))).toBe('l3')
  })

  it('gets one level at a snapshot', () => {
    expect(definition(after(vm(), [snapshot()]))).toBe('l3 <- n')
  })

  it('gets a full copy with nothing below, and a shallow one with nothing said', () => {
    expect(definition(after(vm(), [copy([transient]), pivot]))).toBe('n .')
    expect(definition(after(vm(), [copy([transient, 'VIR_DOMAIN_BLOCK_COPY_SHALLOW']), pivot]))).toBe('n')
  })

  it('overrides the headers at the next start', () => {
    const outside = after(vm({ guest: 'shut-off', ...stored(['l0', 'l1', 'l2']) }), [
      img('commit', '-d', '-b', '/images/l1', '/images/l2'),
      img('rebase', '-u', '-b', '/images/l1', '-F', 'qcow2', '/images/l3'),
    ])
    expect(live(right(start(outside)))).toBe('l0 <- l1 <- l2 <- l3')
    const disk = element('disk', { type: 'file', device: 'disk' }, [
      element('driver', { name: 'qemu', type: 'qcow2' }),
      element('source', { file: '/images/l3' }),
      element('target', { dev: 'vda', bus: 'virtio' }),
    ])
    const mended = after(outside, [
      libvirt({
        call: 'virDomainUpdateDeviceFlags',
        arguments: { domain: 'vm', xml: disk },
        flags: ['VIR_DOMAIN_AFFECT_CONFIG'],
      }),
    ])
    expect(live(right(start(mended)))).toBe('l0 <- l1 <- l3')
  })

  it('is read with its backing chain, nested as libvirt writes it', () => {
    const below = (name: string, children: ReadonlyArray<ReturnType<typeof element>>) =>
      element('backingStore', { type: 'file' }, [
        element('format', { type: 'qcow2' }),
        element('source', { file: `/images/${name}` }),
        ...children,
      ])
    const disk = element('disk', { type: 'file' }, [
      element('driver', { type: 'qcow2' }),
      element('source', { file: '/images/l3' }),
      below('l2', [below('l0', [element('backingStore')])]),
      element('target', { dev: 'vda' }),
    ])
    const told = after(vm({ guest: 'shut-off' }), [
      libvirt({
        call: 'virDomainUpdateDeviceFlags',
        arguments: { domain: 'vm', xml: disk },
        flags: ['VIR_DOMAIN_AFFECT_CONFIG'],
      }),
    ])
    expect(definition(told)).toBe('l0 <- l2 <- l3 .')
    const short = { ...told, boot: { ...told.boot, backingStore: told.boot.backingStore.slice(1) } }
    expect([live(right(start(short))), guest(short)]).toEqual(['l2 <- l3', '00cd'])
    expect(live(right(start(told)))).toBe('l0 <- l2 <- l3')
    expect(guest(told)).toBe('a0cd')
  })
})

describe('a copy through libvirt', () => {
  it('is made whole, and the old chain is closed', () => {
    const done = after(vm(), [copy([transient]), pivot])
    expect([live(done), guest(done), header(done, 'n')]).toEqual(['n', 'abcd', 'none'])
    after(done, [img('resize', '/images/l3', '+1M')])
  })

  it('is made shallow over the same backing file, which stays open', () => {
    const done = after(vm(), [copy([transient, 'VIR_DOMAIN_BLOCK_COPY_SHALLOW']), pivot])
    expect([live(done), guest(done), own(done, 'n'), header(done, 'n')]).toEqual([
      'l0 <- l1 <- l2 <- n',
      'abcd',
      '---d',
      '/images/l2 qcow2',
    ])
  })

  it('goes shallow onto another chain, whose backing files are opened at the pivot', () => {
    const flat = img('convert', '-O', 'qcow2', '/images/l2', '/images/m')
    const onto = img('create', '-f', 'qcow2', '-u', '-b', 'm', '-F', 'qcow2', '/images/n', '262144')
    const flags = [transient, 'VIR_DOMAIN_BLOCK_COPY_SHALLOW', 'VIR_DOMAIN_BLOCK_COPY_REUSE_EXT'] as const
    const done = after(vm(), [flat, onto, copy(flags), pivot])
    expect([live(done), guest(done), header(done, 'n')]).toEqual(['m <- n', 'abcd', 'm qcow2'])
    expect(guest(right(start(kill(done))))).toBe('abcd')
  })

  it('that is ended without a pivot is whole, with what the guest wrote meanwhile, and closed', () => {
    const ready = after(vm(), [copy([transient])])
    const wrote = right(guestWrite(ready, clusterAt(0, 'z')))
    const done = after(wrote, [abort()])
    expect([live(done), guest(done), seen(kill(done), 'n')]).toEqual(['l0 <- l1 <- l2 <- l3', 'zbcd', 'zbcd'])
    after(done, [img('resize', '/images/n', '+1M')])
  })

  it('of a transient domain goes through BlockRebase too', () => {
    const world = vm({ domain: { name: 'vm', definition: 'transient' } })
    const begun = libvirt(
      {
        call: 'virDomainBlockRebase',
        arguments: { ...on, base: '/images/n', bandwidth: 0 },
        flags: ['VIR_DOMAIN_BLOCK_REBASE_COPY', 'VIR_DOMAIN_BLOCK_REBASE_SHALLOW'],
      },
      'ready',
    )
    expect(live(after(world, [begun, pivot]))).toBe('l0 <- l1 <- l2 <- n')
  })
})

describe('a snapshot through libvirt', () => {
  it('makes the overlay with an absolute backing string', () => {
    const done = after(vm({ headers: 'relative' }), [snapshot()])
    expect([live(done), header(done, 'n'), guest(done)]).toEqual([
      'l0 <- l1 <- l2 <- l3 <- n',
      '/images/l3 qcow2',
      'abcd',
    ])
  })

  it('keeps the string of a file that is there', () => {
    const onto = img('create', '-f', 'qcow2', '-u', '-b', 'l3', '-F', 'qcow2', '/images/n', '262144')
    const done = after(vm(), [onto, snapshot(['VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT'])])
    expect([live(done), header(done, 'n')]).toEqual(['l0 <- l1 <- l2 <- l3 <- n', 'l3 qcow2'])
    expect(guest(right(start(kill(done))))).toBe('abcd')
  })

  it('changes the definition of a domain that is shut off', () => {
    const done = after(vm({ guest: 'shut-off' }), [snapshot()])
    expect([definition(done), guest(done), fileAt(done, '/images/n')?.header?.string]).toEqual([
      'n',
      'abcd',
      '/images/l3',
    ])
  })
})
