// virDomainSnapshotDelete on a whole machine: FACTS-libvirt 2, and the lab's logs A to D, P, X, Z.

import { describe, expect, it } from 'vitest'

import { endOfMachine, killMachine, machineIncidents, runMachine } from 'backing-chain/simulate'
import type { MachineWorld } from 'backing-chain/simulate'
import {
  after,
  config,
  create,
  destroy,
  does,
  files,
  guest,
  header,
  img,
  live,
  record,
  records,
  refusalOf,
  remove,
  revert,
  seen,
  snapshotXml,
  start,
  state,
  take,
  three,
  vm,
} from './machine-pretend.js'
import { clusterAt } from './pretend.js'

const both = (text: string): string => `${text} ${text}`

describe.each([
  ['running', (): MachineWorld => three()],
  ['shut off', (): MachineWorld => after(three(), destroy)],
])('one of three snapshots in a row, %s', (how, begun) => {
  it('the oldest [D01, D04]', () => {
    const machine = does(begun(), remove('s1'))
    expect(records(machine)).toStrictEqual([
      's2: disk-snapshot parent=- disks[aa.s2 ab.s2] dom[aa.qcow2 | ab.qcow2]',
      's3: disk-snapshot parent=s2 disks[aa.s3 ab.s3] dom[aa.s2 aa.qcow2 | ab.s2 ab.qcow2]',
    ])
    expect(files(machine)).toBe('aa.qcow2 aa.s2 aa.s3 ab.qcow2 ab.s2 ab.s3')
    expect(config(machine)).toBe('aa.s3 aa.s2 aa.qcow2 | ab.s3 ab.s2 ab.qcow2')
    expect(seen(machine, 'aa.qcow2')).toBe('12000000')
    expect(header(machine, 'aa.s2')).toBe('aa.qcow2')
    expect(guest(machine)).toBe(both('12340000'))
    expect(state(machine)).toBe(how)
  })

  it('the middle one [D02, D05]', () => {
    const machine = does(begun(), remove('s2'))
    expect(records(machine)).toStrictEqual([
      's1: disk-snapshot parent=- disks[aa.s1 ab.s1] dom[aa.qcow2 | ab.qcow2]',
      's3: disk-snapshot parent=s1 disks[aa.s3 ab.s3] dom[aa.s1 | ab.s1]',
    ])
    expect(files(machine)).toBe('aa.qcow2 aa.s1 aa.s3 ab.qcow2 ab.s1 ab.s3')
    expect(['aa.qcow2', 'aa.s1'].map((name) => seen(machine, name))).toStrictEqual(['10000000', '12300000'])
    expect(guest(machine)).toBe(both('12340000'))
    expect(state(machine)).toBe(how)
  })

  it('the newest [D03, D06]', () => {
    const machine = does(begun(), remove('s3'))
    expect(machine.current).toBe('s2')
    expect(files(machine)).toBe('aa.qcow2 aa.s1 aa.s2 ab.qcow2 ab.s1 ab.s2')
    expect(config(machine)).toBe('aa.s2 aa.s1 aa.qcow2 | ab.s2 ab.s1 ab.qcow2')
    expect(guest(machine)).toBe(both('12340000'))
    expect(state(machine)).toBe(how)
  })

  it('all, the newest first [D07]', () => {
    const machine = after(begun(), remove('s3'), remove('s2'), remove('s1'))
    expect(records(machine)).toStrictEqual([])
    expect(machine.current).toBeUndefined()
    expect(files(machine)).toBe('aa.qcow2 ab.qcow2')
    expect(guest(machine)).toBe(both('12340000'))
  })

  it('METADATA_ONLY renames nothing and touches no file [D08 to D11]', () => {
    const machine = does(begun(), remove('s2', 'metadata'))
    expect(records(machine)).toStrictEqual([
      's1: disk-snapshot parent=- disks[aa.s1 ab.s1] dom[aa.qcow2 | ab.qcow2]',
      's3: disk-snapshot parent=s1 disks[aa.s3 ab.s3] dom[aa.s2 aa.s1 aa.qcow2 | ab.s2 ab.s1 ab.qcow2]',
    ])
    expect(files(machine)).toBe(files(begun()))
    expect(guest(machine)).toBe(both('12340000'))
    expect(does(begun(), remove('s3', 'metadata')).current).toBe('s2')
    expect(records(does(begun(), remove('s1', 'metadata', 'children')))).toStrictEqual([])
    const only = does(begun(), remove('s1', 'metadata', 'children only'))
    expect([records(only).length, only.current]).toStrictEqual([1, 's1'])
  })
})

describe('branches', () => {
  const forked = (): MachineWorld => after(three(), revert('s2', 'running'), '5')

  it('a leaf that the present does not come from is unlinked, and its parent takes what the revert gave it [B01]', () => {
    const before = forked()
    expect(record(before, 's2')).toMatch(/ disks\[aa.s2 ab.s2\] revert\[aa.1004 ab.1004\] /)
    const machine = does(before, remove('s3'))
    expect(records(machine)).toStrictEqual([
      's1: disk-snapshot parent=- disks[aa.s1 ab.s1] dom[aa.qcow2 | ab.qcow2]',
      's2: disk-snapshot parent=s1 disks[aa.1004 ab.1004] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
    ])
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s1 ab.1004 ab.qcow2 ab.s1')
    expect(guest(machine)).toBe(both('12005000'))
  })

  it('the common ancestor is merged, and the header of the other branch is mended [B02, B04]', () => {
    const machine = does(forked(), remove('s1'))
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s2 ab.1004 ab.qcow2 ab.s2')
    expect([header(machine, 'aa.s2'), header(machine, 'aa.1004')]).toStrictEqual(['aa.qcow2', 'aa.qcow2'])
    expect(seen(machine, 'aa.s2')).toBe('12300000')
    expect(guest(machine)).toBe(both('12005000'))
    expect(machineIncidents(machine)).toStrictEqual([])
  })

  it('an overlay that no snapshot names is left dangling [T08]', () => {
    const foreign = img('create', '-f', 'qcow2', '-b', '/images/aa.s1', '-F', 'qcow2', '/images/foreign')
    const machine = after(three(), foreign, remove('s1'))
    expect(seen(machine, 'foreign')).toBe('Refused')
    expect(machineIncidents(machine).map(({ incident }) => incident.headers)).toStrictEqual([['/images/foreign']])
  })

  it('B05: a snapshot whose own disks name what is gone is merged all the same', () => {
    const machine = after(forked(), take('s4'), '6', remove('s3'), remove('s2'))
    expect(live(machine)).toBe('aa.s4 aa.s1 aa.qcow2 | ab.s4 ab.s1 ab.qcow2')
    expect(guest(machine)).toBe(both('12005600'))
  })

  it('libvirt loses data: revert s2, take s4, delete s4, revert s3 removes what s3 needs [B09]', () => {
    const before = after(forked(), take('s4'), remove('s4'))
    expect(record(before, 's2')).toMatch(/ disks\[aa.s2 ab.s2\] dom/)
    expect(seen(before, 'aa.s2')).toBe('12300000')
    expect(refusalOf(before, revert('s3', 'running'))).toBe(
      "Failed: Cannot access backing file '/images/ab.s2' of storage file '/images/ab.1007': No such file or directory",
    )
    const machine = does(before, revert('s3'))
    expect(files(machine)).not.toMatch(/aa.s2|ab.s2/)
    expect(guest(machine)).toBe('cannot start cannot start')
    expect(machineIncidents(machine).length).toBeGreaterThan(0)
  })

  it('X05: with a snapshot taken first it is safe', () => {
    const machine = after(forked(), take('s4'), remove('s4'), take('s5'), revert('s3', 'running'))
    expect(guest(machine)).toBe(both('12300000'))
  })

  it('libvirt loses data: what is inside an overlay goes with it [X04]', () => {
    const inside = take('i1', { flags: [] })
    const machine = after(vm(), take('s1'), '2', inside, '3')
    expect(seen(machine, 'aa.s1', 'i1')).toBe('12000000')
    const left = does(machine, remove('s1'))
    expect(record(left, 'i1')).toBe('i1: running parent=- disks[internal internal] dom[aa.qcow2 | ab.qcow2]')
    expect(files(left)).toBe('aa.qcow2 ab.qcow2')
    expect(seen(left, 'aa.qcow2', 'i1')).toBe('Refused')
    expect(guest(left)).toBe(both('12300000'))
  })

  it('so does a parent that has another child, and one whose child is only forgotten [lab S2, S4]', () => {
    const before = after(three(), revert('s1', 'running'), take('s4'), revert('s1', 'running'))
    expect(record(before, 's1')).toMatch(/ disks\[aa.s1 ab.s1\] revert\[aa.1006 ab.1006\] /)
    expect(record(does(before, remove('s4')), 's1')).toMatch(/ disks\[aa.1006 ab.1006\] dom/)
    const forgot = does(forked(), remove('s3', 'metadata'))
    expect(record(forgot, 's2')).toMatch(/ disks\[aa.1004 ab.1004\] dom/)
    expect(files(forgot)).toBe(files(forked()))
  })

  it('libvirt loses data: a disk that s2 left out, revert s2, delete s3 removes what the guest reads [lab S1]', () => {
    const apart = take('s2', { disks: { vdb: { mode: 'no' } } })
    const before = after(vm(), take('s1'), '2', apart, '3', take('s3'), '4', revert('s2', 'running'), '5')
    expect(live(before)).toBe('aa.1004 aa.s1 aa.qcow2 | ab.1004 ab.s1 ab.qcow2')
    const machine = does(before, remove('s3'))
    expect(files(machine)).toBe('aa.1004 aa.qcow2 aa.s1 ab.1004 ab.qcow2')
    expect(machineIncidents(machine)).toMatchObject([
      { disk: 'vdb', incident: { path: '/images/ab.s1', headers: ['/images/ab.1004'] } },
    ])
    expect(refusalOf(does(machine, destroy), start)).toBe(
      "Cannot access backing file '/images/ab.s1' of storage file '/images/ab.1004': No such file or directory",
    )
    expect(guest(killMachine(machine))).toBe('12005000 cannot start')
  })

  it('Z2: a leaf beside the present without a parent leaves its file', () => {
    const machine = after(vm(), take('s1'), take('s2'), revert('s1', 'running'), take('s3'), remove('s1', 'metadata'))
    expect(record(machine, 's2')).toBe(
      's2: disk-snapshot parent=- disks[aa.s2 ab.s2] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
    )
    expect(files(does(machine, remove('s2')))).toBe('aa.1003 aa.qcow2 aa.s1 aa.s3 ab.1003 ab.qcow2 ab.s1 ab.s3')
  })
})

describe('disks apart', () => {
  it('a deletion goes only into the disks that the snapshot has [W01]', () => {
    const one = take('s1', { disks: { vdb: { mode: 'no' } } })
    const two = take('s2', { disks: { vda: { mode: 'no' } } })
    const before = after(vm(), one, '2', two, '3', take('s3'), '4')
    const machine = does(before, remove('s1'))
    expect(live(machine)).toBe('aa.s3 aa.qcow2 | ab.s3 ab.s2 ab.qcow2')
    expect(live(does(machine, remove('s2')))).toBe('aa.s3 aa.qcow2 | ab.s3 ab.qcow2')
    expect(guest(machine)).toBe(both('12340000'))
  })

  it('the file of the memory goes too [N08]', () => {
    const memory = take('m1', { flags: [], memory: { snapshot: 'external', file: '/images/m' } })
    expect(files(after(vm(), memory, '2', remove('m1')))).toBe('aa.qcow2 ab.qcow2')
    expect(files(after(vm(), memory, '2', remove('m1', 'metadata')))).toMatch(/ m$/)
  })
})

describe('what libvirt says', () => {
  const inside = take('i1', { flags: [] })
  const commit = (machine: MachineWorld, top: string, base: string): MachineWorld => {
    const call = {
      call: 'virDomainBlockCommit',
      arguments: { domain: 'vm', disk: 'vda', top: `/images/${top}`, base: `/images/${base}`, bandwidth: 0 },
      flags: [],
    } as const
    const trace = runMachine(machine, [
      { call: { _tag: 'Libvirt', function: call }, until: { _tag: 'LibvirtJob', disk: 'vda', status: 'completed' } },
    ])
    expect(trace.fault).toBeUndefined()
    return endOfMachine(trace)
  }
  const unsupported = (text: string): string => `unsupported configuration: deletion of ${text} not supported`
  const forked = (): MachineWorld => after(three(), revert('s2', 'running'))

  it.each([
    [
      'E1 [N07]',
      (): MachineWorld => after(vm(), inside, take('s2')),
      remove('i1'),
      "Operation not supported: disk image 'vda' for internal snapshot 'i1' is not the same as disk image currently used by VM",
    ],
    [
      'E2',
      (): MachineWorld => after(vm(), take('s1'), take('s2'), inside),
      remove('s1', 'children'),
      unsupported('external and internal children disk snapshots'),
    ],
    ['E3 [D08]', three, remove('s1', 'children'), unsupported('external children disk snapshots')],
    ['E3 with CHILDREN_ONLY', three, remove('s1', 'children only'), unsupported('external children disk snapshots')],
    ['E5 [D08]', three, remove('s3', 'children'), unsupported('external disk snapshots with children')],
    [
      'E6 [B02]',
      forked,
      remove('s2'),
      'unsupported configuration: deletion of active external snapshot that is not a leaf snapshot is not supported',
    ],
    [
      'E7 [B03]',
      (): MachineWorld => after(three(), revert('s1', 'running')),
      remove('s2'),
      'unsupported configuration: deletion of non-leaf external snapshot that is not in active chain is not supported',
    ],
    [
      'E8 [B04]',
      (): MachineWorld => after(forked(), take('s4')),
      remove('s2'),
      unsupported('external disk snapshot with multiple children snapshots'),
    ],
    [
      'E12 [B12]',
      (): MachineWorld => commit(three(), 'aa.s2', 'aa.s1'),
      remove('s2'),
      'invalid argument: could not find base disk source in disk source chain',
    ],
    [
      'E14 [W07]',
      (): MachineWorld => after(three(), take('n', { flags: ['DISK_ONLY', 'NO_METADATA'] })),
      remove('s3'),
      'operation failed: snapshot VM disk source and parent disk source are not the same',
    ],
    [
      'E15 [N07]',
      (): MachineWorld => after(vm(), inside, take('s2')),
      remove('s2'),
      'Operation not supported: deleting external snapshot that has internal snapshot as parent not supported',
    ],
    ['of no such snapshot', three, remove('q'), "Domain snapshot not found: no domain snapshot with matching name 'q'"],
  ])('%s', (_, machine, call, said) => {
    expect(refusalOf(machine(), call)).toBe(said)
  })

  it('E13: there is nothing below any more [B13]', () => {
    const pull = {
      call: 'virDomainBlockPull',
      arguments: { domain: 'vm', disk: 'vda', bandwidth: 0 },
      flags: [],
    } as const
    const trace = runMachine(three(), [
      { call: { _tag: 'Libvirt', function: pull }, until: { _tag: 'LibvirtJob', disk: 'vda', status: 'completed' } },
    ])
    expect(refusalOf(endOfMachine(trace), remove('s3'))).toBe(
      'operation failed: failed to find parent disk source in backing chain',
    )
  })

  it('E4 [Y05]', () => {
    const call = {
      call: 'virDomainBlockCommit',
      arguments: { domain: 'vm', disk: 'vda', top: '/images/aa.s2', base: '/images/aa.s1', bandwidth: 0 },
      flags: [],
    } as const
    const busy = does(three(), { _tag: 'Libvirt', function: call })
    expect(refusalOf(busy, remove('s3'))).toBe(
      'Operation not supported: cannot delete external snapshots when there is another active block job',
    )
    expect(refusalOf(busy, revert('s1'))).toBe('Requested operation is not valid: domain has active block job')
  })

  it('that its daemon dies of all below at once, where one has both children and siblings', () => {
    const dies = 'End of file while reading data: Input/output error'
    const fork = after(forked(), take('s4'), take('s5'), revert('s2', 'running'), take('s6'))
    expect(refusalOf(fork, remove('s1', 'metadata', 'children only'))).toBe(dies)
    expect(refusalOf(fork, remove('s1', 'metadata', 'children'))).toBe(dies)
    expect(records(does(fork, remove('s4', 'metadata', 'children')))).toHaveLength(records(fork).length - 2)
    expect(records(does(fork, remove('s1', 'metadata')))).toHaveLength(records(fork).length - 1)
  })

  it('nothing of CHILDREN_ONLY on a leaf, which does nothing [D08]', () => {
    expect(records(does(three(), remove('s3', 'children only')))).toStrictEqual(records(three()))
  })

  it('what speaks against starting it, where it is shut off [X02]', () => {
    const broken = after(three(), destroy, { _tag: 'Files', operation: 'remove', path: '/images/ab.qcow2' })
    expect(refusalOf(broken, remove('s3'))).toMatch(/ab.qcow2/)
  })
})

describe('on the way', () => {
  const write = clusterAt(7, 'x')

  it('a kill loses nothing for the guest, and a deletion repeated before any disk is done gets to the end [J08, J14]', () => {
    const trace = runMachine(three(), [{ call: remove('s2') }], { limitBytes: 65536 })
    const marked = trace.moments.filter(({ machine }) => record(machine, 's1').includes('deleting[vda vdb]'))
    expect(marked.length).toBeGreaterThan(3)
    for (const { machine } of trace.moments) {
      const killed = killMachine(machine)
      expect(guest(killed)).toBe(both('12340000'))
      if (!killed.snapshots.has('s2')) continue
      if (!files(killed).includes('aa.s2')) {
        expect(refusalOf(killed, remove('s2'))).toBe(
          'invalid argument: could not find base disk source in disk source chain',
        )
        continue
      }
      const again = after(killed, remove('s2'))
      expect(records(again)).toStrictEqual(records(endOfMachine(trace)))
      expect(guest(again)).toBe(both('12340000'))
    }
  })

  it('the parent of one that was not finished is not deleted: E9 [J08]', () => {
    const trace = runMachine(three(), [{ call: remove('s2') }], { limitBytes: 65536 })
    const [first] = trace.moments.filter(({ what }) => what === 'during')
    expect(first === undefined ? '' : refusalOf(killMachine(first.machine), remove('s1'))).toBe(
      "Requested operation is not valid: snapshot disk 'vda' was target of not completed snapshot delete",
    )
  })

  it('no disk is done before all are copied', () => {
    const trace = runMachine(three(), [{ call: remove('s2') }], { limitBytes: 65536 })
    const done = trace.moments.filter(({ machine, what }) => what === 'during' && !files(machine).includes('aa.s2'))
    expect(done.length).toBeGreaterThan(0)
    const [first] = done
    expect(first?.machine.worlds.get('vdb')?.qemu?.jobs.map(({ status }) => status)).toStrictEqual(['pending'])
  })

  it('the mark is on the last snapshot before it that has the disk', () => {
    const before = after(vm(), take('s1'), take('s2', { disks: { vdb: { mode: 'no' } } }), take('s3'))
    const [during] = runMachine(before, [{ call: remove('s3') }]).moments.filter(({ what }) => what === 'during')
    const marks = (name: string): string =>
      during === undefined ? '' : (record(during.machine, name).split('] ').at(-1) ?? '')
    expect([marks('s1'), marks('s2')]).toStrictEqual(['deleting[vdb]', 'deleting[vda]'])
  })

  it('the guest writes, to both disks', () => {
    const trace = runMachine(three(), [{ call: remove('s2') }, { call: remove('s3') }], {
      limitBytes: 65536,
      writes: ({ what }) =>
        what === 'during'
          ? [
              { disk: 'vda', run: write },
              { disk: 'vdb', run: write },
            ]
          : [],
    })
    expect(trace.fault).toBeUndefined()
    expect(guest(endOfMachine(trace))).toBe(both('1234000x'))
    expect(files(endOfMachine(trace))).toBe('aa.qcow2 aa.s1 ab.qcow2 ab.s1')
  })

  it('QUIESCE is for taking alone: deleting what was just taken gives back the same machine', () => {
    const before = three()
    const machine = after(before, create(snapshotXml('s4'), ['DISK_ONLY', 'QUIESCE']), remove('s4'))
    expect([records(machine), files(machine), guest(machine), config(machine)]).toStrictEqual([
      records(before),
      files(before),
      guest(before),
      config(before),
    ])
  })
})
