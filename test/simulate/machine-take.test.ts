// virDomainSnapshotCreateXML on a whole machine: FACTS-libvirt 1.2, 4.2, and the lab's log A.

import { describe, expect, it } from 'vitest'

import {
  after,
  config,
  destroy,
  files,
  guest,
  img,
  live,
  record,
  records,
  refusalOf,
  seen,
  state,
  take,
  three,
  vm,
} from './machine-pretend.js'

describe('external snapshots of a running guest', () => {
  it('are written down as the lab saw it', () => {
    const machine = three()
    expect(records(machine)).toStrictEqual([
      's1: disk-snapshot parent=- disks[aa.s1 ab.s1] dom[aa.qcow2 | ab.qcow2]',
      's2: disk-snapshot parent=s1 disks[aa.s2 ab.s2] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
      's3: disk-snapshot parent=s2 disks[aa.s3 ab.s3] dom[aa.s2 aa.s1 aa.qcow2 | ab.s2 ab.s1 ab.qcow2]',
    ])
    expect(machine.current).toBe('s3')
    expect(live(machine)).toBe('aa.s3 aa.s2 aa.s1 aa.qcow2 | ab.s3 ab.s2 ab.s1 ab.qcow2')
    expect(config(machine)).toBe('aa.s3 aa.s2 aa.s1 aa.qcow2 | ab.s3 ab.s2 ab.s1 ab.qcow2')
    expect(['aa.qcow2', 'aa.s1', 'aa.s2'].map((name) => seen(machine, name))).toStrictEqual([
      '10000000',
      '12000000',
      '12300000',
    ])
    expect(guest(machine)).toBe('12340000 12340000')
  })

  it('take all disks or none', () => {
    const machine = vm()
    const bad = take('s1', { disks: { vdb: { mode: 'external', path: 'ab.qcow2' } } })
    expect(refusalOf(machine, bad)).toBe(
      'unsupported configuration: external snapshot file for disk vdb already exists and is not a block device: /images/ab.qcow2',
    )
    expect(files(machine)).toBe('aa.qcow2 ab.qcow2')
  })

  it('leave a disk out that says no', () => {
    const machine = after(vm(), take('s1', { disks: { vdb: { mode: 'no' } } }), '2')
    expect(record(machine, 's1')).toBe('s1: disk-snapshot parent=- disks[aa.s1 no] dom[aa.qcow2 | ab.qcow2]')
    expect(live(machine)).toBe('aa.s1 aa.qcow2 | ab.qcow2')
    expect(seen(machine, 'ab.qcow2')).toBe('12000000')
  })

  it('leave the guest paused for a manual disk', () => {
    const machine = after(vm(), take('s1', { disks: { vdb: { mode: 'manual' } } }))
    expect(record(machine, 's1')).toBe('s1: disk-snapshot parent=- disks[aa.s1 manual] dom[aa.qcow2 | ab.qcow2]')
    expect(state(machine)).toBe('paused')
  })

  it('are not written down with NO_METADATA', () => {
    const machine = after(vm(), take('n1', { flags: ['DISK_ONLY', 'NO_METADATA'] }))
    expect(records(machine)).toStrictEqual([])
    expect(live(machine)).toBe('aa.n1 aa.qcow2 | ab.n1 ab.qcow2')
  })

  it('go into files made before, whose header is not looked at', () => {
    const made = after(
      vm(),
      img('create', '-f', 'qcow2', '-b', '/images/aa.qcow2', '-F', 'qcow2', '/images/x'),
      img('create', '-f', 'qcow2', '-b', '/images/ab.qcow2', '-F', 'qcow2', '/images/y'),
    )
    const disks = { vda: { path: 'x' }, vdb: { path: 'y' } }
    const machine = after(made, take('s1', { flags: ['DISK_ONLY', 'REUSE_EXT'], disks }))
    expect(live(machine)).toBe('x aa.qcow2 | y ab.qcow2')
    expect(refusalOf(vm(), take('s1', { flags: ['DISK_ONLY', 'REUSE_EXT'], disks }))).toMatch(
      /^missing existing file for disk vda/,
    )
  })

  it('keep memory in a file, beside which the disks are frozen', () => {
    const machine = after(vm(), take('m1', { flags: [], memory: { snapshot: 'external', file: '/images/m' } }))
    expect(record(machine, 'm1')).toBe('m1: running parent=- disks[aa.m1 ab.m1] dom[aa.qcow2 | ab.qcow2]')
    expect(files(machine)).toBe('aa.m1 aa.qcow2 ab.m1 ab.qcow2 m')
  })
})

describe('while it is shut off', () => {
  it('external ones store the overlay alone', () => {
    const machine = after(vm({ state: 'shut-off' }), take('s1'))
    expect(record(machine, 's1')).toBe('s1: shutoff parent=- disks[aa.s1 ab.s1] dom[aa.qcow2 | ab.qcow2]')
    expect(config(machine)).toBe('aa.s1 | ab.s1')
    expect(guest(machine)).toBe('10000000 10000000')
  })

  it('or, where the definition stores a chain, the whole of it', () => {
    const machine = after(vm(), take('s1'), destroy, take('s2'))
    expect(record(machine, 's2')).toBe('s2: shutoff parent=s1 disks[aa.s2 ab.s2] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]')
    expect(config(machine)).toBe('aa.s2 aa.s1 aa.qcow2 | ab.s2 ab.s1 ab.qcow2')
  })

  it('internal ones go into the images', () => {
    const machine = after(vm({ state: 'shut-off' }), take('i1', { flags: [] }))
    expect(record(machine, 'i1')).toBe('i1: shutoff parent=- disks[internal internal] dom[aa.qcow2 | ab.qcow2]')
    expect(seen(machine, 'aa.qcow2', 'i1')).toBe('10000000')
  })
})

describe('what libvirt says', () => {
  const off = vm({ state: 'shut-off' })
  const internal = { mode: 'internal' }
  const external = { mode: 'external' }
  it.each([
    [
      'of a name that is there',
      three(),
      take('s2', { disks: { vda: { path: 'q' }, vdb: { path: 'r' } } }),
      'operation failed: domain moment s2 already exists',
    ],
    ['of a slash', vm(), take('a/b'), "unsupported configuration: invalid snapshot name 'a/b': name can't contain '/'"],
    ['of a dot', vm(), take('.a'), "unsupported configuration: invalid snapshot name '.a': name can't start with '.'"],
    [
      'of nothing',
      vm(),
      take('s', { disks: { vda: { mode: 'no' }, vdb: { mode: 'no' } } }),
      'unsupported configuration: nothing selected for snapshot',
    ],
    [
      'of a mixture, shut off',
      off,
      take('s', { flags: [], disks: { vda: internal, vdb: external } }),
      'unsupported configuration: mixing internal and external targets for a snapshot is not yet supported',
    ],
    [
      'of a mixture, running',
      vm(),
      take('s', { disks: { vda: external, vdb: internal } }),
      'unsupported configuration: active qemu domains require external disk snapshots; disk vdb requested internal',
    ],
    [
      'of an external disk beside internal memory',
      vm(),
      take('s', { flags: [], disks: { vda: external } }),
      "unsupported configuration: disk 'vda' must use snapshot mode 'internal'",
    ],
    [
      'of a part inside',
      vm(),
      take('s', { flags: [], disks: { vda: { mode: 'no' } } }),
      'unsupported configuration: internal and full system snapshots require all disks to be selected for snapshot',
    ],
    [
      'of memory, shut off',
      off,
      take('s', { flags: [], memory: { snapshot: 'internal' } }),
      'unsupported configuration: memory state cannot be saved with offline or disk-only snapshot',
    ],
    [
      'of memory beside DISK_ONLY',
      vm(),
      take('s', { memory: { snapshot: 'external', file: '/m' } }),
      'unsupported configuration: memory state cannot be saved with offline or disk-only snapshot',
    ],
    [
      'of raw',
      vm(),
      take('s', { disks: { vda: { path: 'x', format: 'raw' } } }),
      'unsupported configuration: external snapshot format for disk vda is unsupported: raw',
    ],
    [
      'of QUIESCE alone',
      vm(),
      take('s', { flags: ['QUIESCE'] }),
      "invalid argument: Flag 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY' is required by flag 'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'",
    ],
    [
      'of QUIESCE without an agent',
      vm({ agent: 'absent' }),
      take('s', { flags: ['DISK_ONLY', 'QUIESCE'] }),
      'argument unsupported: QEMU guest agent is not configured',
    ],
    [
      'of LIVE without memory',
      vm(),
      take('s', { flags: ['DISK_ONLY', 'LIVE'] }),
      'unsupported configuration: live snapshot creation is supported only during full system snapshots',
    ],
    [
      'of a disk that is not there',
      vm(),
      take('s', { disks: { vdz: external } }),
      "unsupported configuration: no disk named 'vdz'",
    ],
    [
      'of raw inside',
      vm({ state: 'shut-off', pictures: { vda: 'a:raw[1]^' } }),
      take('s', { flags: [] }),
      'unsupported configuration: internal snapshot for disk vda unsupported for storage type raw',
    ],
    ['of another domain', vm({ libvirt: 'none' }), take('s'), "Domain not found: no domain with matching name 'vm'"],
  ])('%s', (_, machine, call, said) => {
    expect(refusalOf(machine, call)).toBe(said)
  })

  it('of two overlays of one name', () => {
    const machine = vm({ pictures: { vda: 'disk.img[1]^', vdb: 'disk.qcow2[1]^' } })
    expect(refusalOf(machine, take('s1'))).toBe(
      "unsupported configuration: cannot generate external snapshot name for disk 'vdb': collision with disk 'vda'",
    )
  })

  it('nothing of QUIESCE while it is shut off', () => {
    expect(
      record(after(vm({ state: 'shut-off', agent: 'absent' }), take('s1', { flags: ['DISK_ONLY', 'QUIESCE'] })), 's1'),
    ).toMatch(/^s1: shutoff/)
  })
})
