// virDomainRevertToSnapshot on a whole machine: FACTS-libvirt 3, and the lab's logs B, C, D, G, X.

import { describe, expect, it } from 'vitest'

import { fileAt, killMachine, machineIncidents, pathsOf } from 'backing-chain/simulate'
import type { MachineWorld } from 'backing-chain/simulate'
import {
  after,
  config,
  destroy,
  does,
  domainXml,
  faultOf,
  files,
  guest,
  img,
  live,
  plain,
  record,
  records,
  redefine,
  refusalOf,
  remove,
  revert,
  seen,
  start,
  state,
  take,
  three,
  vm,
} from './machine-pretend.js'
import { inodeOf, withFile } from '../../src/simulate/files.js'
import type { Ask } from './machine-pretend.js'
import { element } from './pretend.js'

const both = (text: string): string => `${text} ${text}`

describe('to an external snapshot', () => {
  it('a snapshot of disks alone is reverted to shut off [V01]', () => {
    const machine = does(three(), revert('s2'))
    expect(state(machine)).toBe('shut off')
    expect(machine.current).toBe('s2')
    expect(config(machine)).toBe('aa.1004 aa.s1 aa.qcow2 | ab.1004 ab.s1 ab.qcow2')
    expect(record(machine, 's2')).toBe(
      's2: disk-snapshot parent=s1 disks[aa.s2 ab.s2] revert[aa.1004 ab.1004] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
    )
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s1 aa.s2 ab.1004 ab.qcow2 ab.s1 ab.s2')
    expect(guest(machine)).toBe(both('12000000'))
  })

  it('the images of later snapshots stay, and only the present goes [V02]', () => {
    const machine = does(three(), revert('s1', 'running'))
    expect(state(machine)).toBe('running')
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s1 aa.s2 ab.1004 ab.qcow2 ab.s1 ab.s2')
    expect(record(machine, 's3')).toMatch(/ disks\[aa.s3 ab.s3\] dom/)
    expect([seen(machine, 'aa.s1'), seen(machine, 'aa.s2')]).toStrictEqual(['12000000', '12300000'])
    expect(config(machine)).toBe('aa.1004 | ab.1004')
    expect(live(machine)).toBe('aa.1004 aa.qcow2 | ab.1004 ab.qcow2')
  })

  it('a leaf gets the new overlays for its own', () => {
    const machine = does(three(), revert('s3', 'paused'))
    expect(state(machine)).toBe('paused')
    expect(record(machine, 's3')).toMatch(/ disks\[aa.1004 ab.1004\] dom/)
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s1 aa.s2 ab.1004 ab.qcow2 ab.s1 ab.s2')
    expect(guest(machine)).toBe(both('12300000'))
  })

  it('what a revert gave is removed by the next, and forgotten when a snapshot is taken', () => {
    const once = after(three(), revert('s2', 'running'), '5')
    const twice = does(once, revert('s1', 'running'))
    expect(files(twice)).toBe('aa.1005 aa.qcow2 aa.s1 aa.s2 ab.1005 ab.qcow2 ab.s1 ab.s2')
    expect(record(twice, 's2')).not.toMatch(/revert/)
    expect(record(does(once, take('s4')), 's2')).not.toMatch(/revert/)
  })

  it('a new snapshot writes down what the definition stores, not what was found below it [lab c0]', () => {
    const machine = after(three(), revert('s1', 'running'), take('s4'))
    expect(record(machine, 's4')).toBe('s4: disk-snapshot parent=s1 disks[aa.s4 ab.s4] dom[aa.1004 | ab.1004]')
    expect(config(machine)).toBe('aa.s4 aa.1004 | ab.s4 ab.1004')
    expect(live(machine)).toBe('aa.s4 aa.1004 aa.qcow2 | ab.s4 ab.1004 ab.qcow2')
  })

  it('a disk that was left out gets an overlay too, on what it shows today [W02, W03]', () => {
    const machine = after(vm(), take('s1', { disks: { vdb: { mode: 'no' } } }), '2', revert('s1', 'running'))
    expect(live(machine)).toBe('aa.1002 aa.qcow2 | ab.1002 ab.qcow2')
    expect(record(machine, 's1')).toMatch(/ disks\[aa.1002 ab.1002\] /)
    expect(guest(machine)).toBe('10000000 12000000')
  })

  it('a manual disk is treated as any other [lab S5]', () => {
    const manual = take('s1', { disks: { vdb: { mode: 'manual' } } })
    const machine = after(vm(), manual, plain('virDomainResume'), '2', revert('s1', 'running'))
    expect(live(machine)).toBe('aa.1003 aa.qcow2 | ab.1003 ab.qcow2')
    expect(record(machine, 's1')).toMatch(/ disks\[aa.1003 ab.1003\] /)
    expect(guest(machine)).toBe('10000000 12000000')
  })

  it('memory is loaded, and the guest goes on [N08]', () => {
    const memory = take('m1', { flags: [], memory: { snapshot: 'external', file: '/images/m' } })
    const machine = after(vm(), memory, '2', revert('m1'))
    expect(state(machine)).toBe('running')
    expect(machine.memory).toBe('m1')
    expect(live(machine)).toBe('aa.1002 aa.qcow2 | ab.1002 ab.qcow2')
    expect(guest(machine)).toBe(both('10000000'))
    const gone = after(vm(), memory, { _tag: 'Files', operation: 'remove', path: '/images/m' })
    expect(refusalOf(gone, revert('m1'))).toMatch(/^Failed: Failed to open file '\/images\/m'/)
  })

  it('two reverts in one second collide, and the guest is left off [W09, lab e2]', () => {
    const once = does(three(), revert('s3', 'running'))
    const again = { ...once, clockSeconds: once.clockSeconds - 1 }
    const fault = faultOf(again, revert('s1', 'running'))
    expect(refusalOf(again, revert('s1', 'running'))).toBe(
      'Failed: unsupported configuration: external snapshot file for disk vda already exists and is not a block device: /images/aa.1004',
    )
    if (fault._tag !== 'Failed') throw new Error('no world')
    expect([state(fault.world), files(fault.world), fault.world.current]).toStrictEqual(['shut off', files(once), 's3'])
    const off = after(again, destroy)
    expect(refusalOf({ ...off, clockSeconds: again.clockSeconds }, revert('s1'))).toMatch(/^unsupported configuration/)
  })

  it('two disks of one stem cannot get overlays [X01]', () => {
    const disks = { vda: { path: 'p' }, vdb: { path: 'q' } }
    const machine = after(
      vm({ pictures: { vda: 'disk.img[1]^', vdb: 'disk.qcow2[1]^' } }),
      take('s1', { disks }),
      destroy,
    )
    expect(refusalOf(machine, revert('s1'))).toBe(
      "unsupported configuration: cannot generate external snapshot name for disk 'vdb': collision with disk 'vda'",
    )
  })

  it('a point in time that is gone cannot be reverted to, and the guest is left off [B11, W04]', () => {
    const broken = does(three(), { _tag: 'Files', operation: 'remove', path: '/images/aa.s1' })
    const fault = faultOf(broken, revert('s2'))
    expect(refusalOf(broken, revert('s2'))).toBe(
      "Failed: unsupported configuration: source for disk 'vda' is not a regular file; refusing to generate external snapshot name",
    )
    expect(fault._tag === 'Failed' ? state(fault.world) : fault._tag).toBe('shut off')
  })

  it('what the current snapshot names is removed, also where it is another branch that needs it [lab X1]', () => {
    const xml = (path: string) =>
      element('domainsnapshot', {}, [
        element('name', {}, ['s2']),
        element('state', {}, ['disk-snapshot']),
        element('parent', {}, [element('name', {}, ['s1'])]),
        element('disks', {}, [
          element('disk', { name: 'vda', snapshot: 'external' }, [element('source', { file: `/images/aa.${path}` })]),
          element('disk', { name: 'vdb', snapshot: 'external' }, [element('source', { file: `/images/ab.${path}` })]),
        ]),
        domainXml({ vda: { path: 'aa.s1', below: ['aa.qcow2'] }, vdb: { path: 'ab.s1', below: ['ab.qcow2'] } }),
      ])
    const before = after(three(), revert('s2', 'running'), '5', take('s4'), redefine(xml('1004')))
    const machine = after(before, revert('s3', 'running'), remove('s3'))
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s1 aa.s2 ab.1004 ab.qcow2 ab.s1 ab.s2')
    expect(record(machine, 's2')).toMatch(/ disks\[aa.1004 ab.1004\] /)
    const fault = faultOf(machine, revert('s4', 'running'))
    if (fault._tag !== 'Failed') throw new Error('no world')
    expect(fault.desc).toBe(
      "Cannot access backing file '/images/ab.1004' of storage file '/images/ab.1009': No such file or directory",
    )
    expect([state(fault.world), fault.world.current, config(fault.world)]).toStrictEqual([
      'shut off',
      's2',
      'aa.1009 aa.1004 aa.s1 aa.qcow2 | ab.1009 ab.1004 ab.s1 ab.qcow2',
    ])
    expect(files(fault.world)).toBe('aa.1009 aa.qcow2 aa.s1 aa.s2 ab.1009 ab.qcow2 ab.s1 ab.s2')
    expect(machineIncidents(fault.world).map(({ incident }) => incident.path)).toStrictEqual([
      '/images/aa.1004',
      '/images/ab.1004',
    ])
  })

  it('data that only the present has is removed with it [B13]', () => {
    const machine = does(three(), revert('s3'))
    expect(files(machine)).not.toMatch(/s3/)
    expect(guest(machine)).toBe(both('12300000'))
  })

  it('a kill afterwards loses nothing', () => {
    const machine = after(three(), revert('s2', 'running'), '6')
    expect(guest(killMachine(machine))).toBe(both('12000600'))
  })
})

describe('to an internal snapshot', () => {
  const inside = (name: string, ask: Ask = {}) => take(name, { flags: [], ...ask })

  it('running, with its memory in the first image [N07]', () => {
    const saved = after(vm(), inside('i1'))
    const states = Array.from(saved.worlds.values()).flatMap((world) =>
      pathsOf(world).flatMap((path) =>
        fileAt(world, path)?.internalSnapshots.map(({ vmStateBytes }) => vmStateBytes > 0),
      ),
    )
    expect(states).toStrictEqual([true, false])
    const machine = after(vm(), '2', inside('i1'), '3', revert('i1'))
    expect([state(machine), machine.memory, machine.current]).toStrictEqual(['running', 'i1', 'i1'])
    expect(guest(machine)).toBe(both('12000000'))
    expect(files(machine)).toBe('aa.qcow2 ab.qcow2')
  })

  it('shut off [N06]', () => {
    const off = vm({ state: 'shut-off' })
    const machine = after(off, inside('i1'), start, '2', destroy, inside('i2'), revert('i1'))
    expect([guest(machine), state(machine), machine.current]).toStrictEqual([both('10000000'), 'shut off', 'i1'])
    expect(seen(machine, 'aa.qcow2', 'i2')).toBe('12000000')
    expect(state(does(machine, revert('i2', 'running')))).toBe('running')
    expect(guest(does(machine, revert('i2', 'running')))).toBe(both('12000000'))
  })

  describe('of one disk, with a raw one beside', () => {
    const raw = { vda: 'aa.qcow2[1-------]^', vdb: 'ab.raw:raw[10000000]^' }
    const only = { disks: { vda: { mode: 'internal' }, vdb: { mode: 'no' } } }

    it('that nobody may write to: taken, reverted to and deleted, and the raw one stays as it is', () => {
      const off = after(vm({ pictures: raw, readOnly: 'vdb', state: 'shut-off' }), inside('i1', only))
      const later = after(off, start, 'vda 2', destroy)
      expect(guest(does(later, revert('i1')))).toBe(both('10000000'))
      expect(state(does(later, revert('i1', 'running')))).toBe('running')
      expect(records(does(later, remove('i1')))).toStrictEqual([])
      const live = after(vm({ pictures: raw, readOnly: 'vdb' }), inside('i1', only), 'vda 2', revert('i1'))
      expect([guest(live), live.memory]).toStrictEqual([both('10000000'), 'i1'])
    })

    it('that the guest can write to: libvirt takes none so, and reverts to one that is written down', () => {
      const refused = 'unsupported configuration: internal and full system snapshots require all disks to be selected'
      const off = vm({ pictures: raw, state: 'shut-off' })
      for (const mode of ['no', 'manual'])
        expect(refusalOf(off, inside('i1', { disks: { ...only.disks, vdb: { mode } } }))).toMatch(
          new RegExp(`^${refused}`),
        )
      const xml = element('domainsnapshot', {}, [
        element('name', {}, ['i1']),
        element('state', {}, ['shutoff']),
        element('disks', {}, [
          element('disk', { name: 'vda', snapshot: 'internal' }),
          element('disk', { name: 'vdb', snapshot: 'no' }),
        ]),
        domainXml({ vda: { path: 'aa.qcow2' }, vdb: { path: 'ab.raw', format: 'raw' } }),
      ])
      const saved = after(off, img('snapshot', '-c', 'i1', '/images/aa.qcow2'), redefine(xml, 'CURRENT'))
      expect(guest(after(saved, start, '2', destroy, revert('i1')))).toBe('10000000 12000000')
    })
  })

  it('one that somebody has deleted from an image: nothing is loaded, and the guest is off', () => {
    const without = img('snapshot', '-d', 'i1', '/images/ab.qcow2')
    const live = after(vm(), inside('i1'), '2', destroy, without, start)
    const fault = faultOf(live, revert('i1'))
    expect(refusalOf(live, revert('i1'))).toBe(
      "Failed: operation failed: image of disk 'vdb' does not have internal snapshot 'i1'",
    )
    if (fault._tag !== 'Failed') throw new Error('no world')
    expect([state(fault.world), seen(fault.world, 'aa.qcow2')]).toStrictEqual(['shut off', '12000000'])
    const off = after(vm({ state: 'shut-off' }), inside('i1'), without)
    expect(refusalOf(off, revert('i1'))).toBe('An error occurred, but the cause is unknown')
  })

  it('libvirt looks for the name, in all images, before QEMU loads any and sees the bitmaps', () => {
    const bitmap = { name: 'c1', granularityBytes: 65536, state: 'recording' } as const
    const marked = (machine: MachineWorld): MachineWorld => {
      const world = machine.worlds.get('vda')
      const inode = world && inodeOf(world, '/images/aa.qcow2')
      if (world === undefined || inode === undefined) throw new Error('no image')
      const worlds = new Map(machine.worlds).set('vda', withFile(world, inode, { bitmaps: [bitmap] }))
      return { ...machine, worlds }
    }
    const both = marked(after(vm(), inside('i1'), inside('i2'), destroy))
    expect(refusalOf(both, revert('i1'))).toMatch(/^operation failed: load of internal snapshot 'i1' job failed: /)
    const one = does(both, img('snapshot', '-d', 'i1', '/images/ab.qcow2'))
    const absent = "operation failed: image of disk 'vdb' does not have internal snapshot 'i1'"
    expect(refusalOf(one, revert('i1'))).toBe(absent)
    expect(refusalOf(does(one, img('snapshot', '-c', '1', '/images/ab.qcow2')), revert('i1'))).toBe(absent)
  })

  it('a deletion drops it from the images; a current root leaves no current one [N06]', () => {
    const machine = after(vm(), inside('i1'), '2', inside('i2'), remove('i1'))
    expect(records(machine)).toStrictEqual(['i2: running parent=- disks[internal internal] dom[aa.qcow2 | ab.qcow2]'])
    expect(seen(machine, 'aa.qcow2', 'i1')).toBe('Refused')
    expect(seen(machine, 'aa.qcow2', 'i2')).toBe('12000000')
    expect(does(machine, remove('i2')).current).toBeUndefined()
    const whole = after(vm(), inside('i1'), inside('i2'), remove('i1', 'children'))
    expect([records(whole), seen(whole, 'aa.qcow2', 'i2')]).toStrictEqual([[], 'Refused'])
  })

  it('below an external overlay it leaves that overlay behind, on another base [T06, U10, lab G]', () => {
    const machine = after(vm(), inside('i1'), '2', take('s2'), '3', revert('i1'))
    expect(live(machine)).toBe('aa.qcow2 | ab.qcow2')
    expect(files(machine)).toBe('aa.qcow2 aa.s2 ab.qcow2 ab.s2')
    expect(guest(machine)).toBe(both('10000000'))
    expect(seen(machine, 'aa.s2')).toBe('10300000')
    const deeper = after(vm(), inside('i1'), '2', take('s2'), '3', inside('i3'), revert('i1'))
    expect(refusalOf(deeper, remove('i3'))).toMatch(/^Operation not supported: disk image 'vda' for internal snapshot/)
    expect(does(deeper, remove('i1')).current).toBeUndefined()
  })

  it('shut off, one inside a backing image is deleted there [U12]', () => {
    const machine = after(vm(), inside('i1'), take('s2'), destroy, remove('i1'))
    expect(seen(machine, 'aa.qcow2', 'i1')).toBe('Refused')
  })

  it('reads through the backing file of today', () => {
    const machine = after(vm(), take('s1'), '2', inside('i1'), '3', remove('s1', 'metadata'), destroy)
    expect(seen(machine, 'aa.s1', 'i1')).toBe('12000000')
  })
})

describe('of a transient domain', () => {
  it('it goes on, transient, with its snapshots', () => {
    const machine = after(three({ libvirt: 'transient' }), revert('s2', 'running'), '5', take('s4'))
    expect([state(machine), machine.domain?.definition]).toStrictEqual(['running', 'transient'])
    expect(records(machine)).toStrictEqual([
      's1: disk-snapshot parent=- disks[aa.s1 ab.s1] dom[aa.qcow2 | ab.qcow2]',
      's2: disk-snapshot parent=s1 disks[aa.s2 ab.s2] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
      's3: disk-snapshot parent=s2 disks[aa.s3 ab.s3] dom[aa.s2 aa.s1 aa.qcow2 | ab.s2 ab.s1 ab.qcow2]',
      's4: disk-snapshot parent=s2 disks[aa.s4 ab.s4] dom[aa.1004 aa.s1 aa.qcow2 | ab.1004 ab.s1 ab.qcow2]',
    ])
    expect(guest(machine)).toBe(both('12005000'))
    expect(records(does(machine, destroy))).toStrictEqual([])
  })

  it('over what had nothing stored below, nothing is stored', () => {
    const machine = after(three({ libvirt: 'transient' }), revert('s1', 'paused'), take('s4'), take('s5'))
    expect(record(machine, 's4')).toMatch(/ dom\[aa.1004 \| ab.1004\]$/)
    expect(record(machine, 's5')).toMatch(/ dom\[aa.s4 aa.1004 \| ab.s4 ab.1004\]$/)
  })

  it('one that fails leaves it there, shut off, with its snapshots', () => {
    const broken = does(three({ libvirt: 'transient' }), { _tag: 'Files', operation: 'remove', path: '/images/aa.s1' })
    const fault = faultOf(broken, revert('s2', 'running'))
    if (fault._tag !== 'Failed') throw new Error('no world')
    expect([state(fault.world), fault.world.domain?.definition]).toStrictEqual(['shut off', 'transient'])
    expect(records(fault.world)).toStrictEqual(records(broken))
  })
})

describe('what libvirt says', () => {
  it.each([
    [
      'of two targets',
      three(),
      revert('s1', 'running', 'paused'),
      "invalid argument: Flags 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' and 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' are mutually exclusive",
    ],
    [
      'of no such snapshot',
      three(),
      revert('q'),
      "Domain snapshot not found: no domain snapshot with matching name 'q'",
    ],
    [
      'of a transient domain',
      three({ libvirt: 'transient' }),
      revert('s1'),
      'Requested operation is not valid: transient domain needs to request run or pause to revert to inactive snapshot',
    ],
  ])('%s', (_, machine: MachineWorld, call, said) => {
    expect(refusalOf(machine, call)).toBe(said)
  })
})
