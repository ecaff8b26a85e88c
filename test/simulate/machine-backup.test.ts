// virDomainBackupBegin, as libvirt 11.3 does it: all disks at one moment, what waits for its end, and what is left where it comes to nothing.

import { describe, expect, it } from 'vitest'

import type { Call, LibvirtCall, Wait } from 'backing-chain'
import { advance, endOfMachine, killMachine, machineIncidents, runMachine } from 'backing-chain/simulate'
import type { MachineSimStep, MachineTrace, MachineWorld, World } from 'backing-chain/simulate'
import {
  after,
  destroy,
  does,
  files,
  guest,
  images,
  img,
  plain,
  refusalOf,
  remove,
  revert,
  seen,
  take,
  vm,
  wrote,
} from './machine-pretend.js'
import { clusterAt, element, right } from './pretend.js'

interface Target {
  readonly name: string
  readonly path?: string
  readonly format?: string
  readonly backup?: string
}

const diskOf = ({ name, path = images(`${name}.backup`), format = 'qcow2', backup = 'yes' }: Target) =>
  element('disk', { name, backup, type: 'file' }, [
    element('target', { file: path }),
    element('driver', { type: format }),
  ])

const begin = (disks: ReadonlyArray<Target>, reuse = false, mode = 'push'): Call => ({
  _tag: 'Libvirt',
  function: {
    call: 'virDomainBackupBegin',
    arguments: { domain: 'vm', xml: element('domainbackup', { mode }, [element('disks', {}, disks.map(diskOf))]) },
    flags: reuse ? ['VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL'] : [],
  },
})

const both = [{ name: 'vda' }, { name: 'vdb' }]

const abort: Call = {
  _tag: 'Libvirt',
  function: { call: 'virDomainAbortJob', arguments: { domain: 'vm' }, flags: [] },
}

const done = (disks: ReadonlyArray<string>): Wait => ({
  _tag: 'LibvirtJobs',
  disks,
  status: 'completed',
})

const run = (on: MachineWorld, ...steps: ReadonlyArray<MachineSimStep>): MachineTrace =>
  runMachine(on, steps, { limitBytes: 65536 })

const whole: MachineSimStep = { call: begin(both), until: done(['vda', 'vdb']) }

const libvirt = (call: LibvirtCall): Call => ({ _tag: 'Libvirt', function: call })

describe('a backup', () => {
  it('has every disk at the moment at which it began, and leaves the guest where it was', () => {
    const start = after(vm(), '2')
    const trace = runMachine(start, [whole], {
      limitBytes: 65536,
      writes: () => [
        { disk: 'vda', run: clusterAt(0, 'x') },
        { disk: 'vdb', run: clusterAt(6, 'y') },
      ],
    })
    const end = endOfMachine(trace)
    expect(trace.fault).toBe(undefined)
    expect([seen(end, 'vda.backup'), seen(end, 'vdb.backup')]).toStrictEqual(['12000000', '12000000'])
    expect(guest(end)).toBe('x2000000 120000y0')
    expect([end.backup, machineIncidents(end)]).toStrictEqual([undefined, []])
  })

  it('is on disk when its events have come', () => {
    const dead = killMachine(endOfMachine(run(after(vm(), '2'), whole)))
    expect([seen(dead, 'vda.backup'), seen(dead, 'vdb.backup')]).toStrictEqual(['12000000', '12000000'])
  })

  it('is of the disks that are named, and of those alone', () => {
    const some = begin([{ name: 'vda', backup: 'no' }, { name: 'vdb' }])
    expect(files(does(vm(), some))).toBe('aa.qcow2 ab.qcow2 vdb.backup')
    expect(files(does(vm(), begin([{ name: 'vdb' }])))).toBe('aa.qcow2 ab.qcow2 vdb.backup')
  })

  it('waits for every disk, though one is ready before', () => {
    const begun = does(vm(), begin(both))
    const vda = begun.worlds.get('vda')
    const job = vda?.domain?.job?.id ?? ''
    const first =
      vda === undefined ? begun : { ...begun, worlds: new Map(begun.worlds).set('vda', right(advance(vda, job))) }
    const trace = run(first, { call: plain('virDomainSuspend'), until: done(['vda', 'vdb']) })
    expect(trace.fault).toBe(undefined)
    expect(seen(endOfMachine(trace), 'vdb.backup')).toBe('10000000')
  })

  it('fills what is there only with the flag for it', () => {
    const there = does(vm(), img('create', '-f', 'qcow2', images('vda.backup'), '524288'), { disk: 'vda' })
    const one = [{ name: 'vda' }]
    expect(refusalOf(there, begin(one))).toBe("invalid argument: store '/images/vda.backup' for backup of 'vda' exists")
    const trace = run(there, { call: begin(one, true), until: done(['vda']) })
    expect(seen(endOfMachine(trace), 'vda.backup')).toBe('10000000')
    expect(refusalOf(vm(), begin(one, true))).toContain('No such file or directory')
    const small = does(vm(), img('create', '-f', 'qcow2', images('vda.backup'), '65536'), { disk: 'vda' })
    expect(refusalOf(small, begin(one, true))).toBe(
      "internal error: unable to execute QEMU command 'transaction': Source and target image have different sizes",
    )
  })
})

describe('what libvirt says against it', () => {
  it.each([
    [
      'a guest that is shut off',
      vm({ state: 'shut-off' }),
      begin(both),
      'Operation not supported: cannot perform disk backup for inactive domain',
    ],
    ['a disk that it does not know', vm(), begin([{ name: 'vdz' }]), "unsupported configuration: no disk named 'vdz'"],
    [
      'one file for two disks',
      vm(),
      begin([
        { name: 'vda', path: '/t' },
        { name: 'vdb', path: '/t' },
      ]),
      "invalid argument: store '/t' for backup of 'vdb' exists",
    ],
    ['no job', vm(), abort, 'Requested operation is not valid: no job is active on the domain'],
    [
      'a relative path',
      vm(),
      begin([{ name: 'vda', path: 't' }]),
      'Unmodelled: a backup of vda to what has no absolute path or no format',
    ],
    [
      'a backup that is pulled',
      vm(),
      begin(both, false, 'pull'),
      'Unmodelled: a backup that names no disk, or is pulled',
    ],
  ] as const)('%s', (_, on, call, desc) => {
    expect(refusalOf(on, call)).toBe(desc)
  })

  it('a disk with a job', () => {
    const copy = libvirt({
      call: 'virDomainBlockCopy',
      arguments: {
        domain: 'vm',
        disk: 'vdb',
        destxml: element('disk', { type: 'file' }, [
          element('source', { file: '/copy' }),
          element('driver', { type: 'qcow2' }),
        ]),
      },
      flags: ['VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB'],
    })
    const copying = does(vm(), copy)
    expect(refusalOf(copying, begin(both))).toBe("internal error: disk 'vdb' has a blockjob assigned")
    expect(run(copying, { call: begin([{ name: 'vda' }]), until: done(['vda']) }).fault).toBe(undefined)
  })
})

describe('while it is under way', () => {
  const busy = (): MachineWorld => does(vm(), begin([{ name: 'vda' }]))
  const lock =
    'Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)'

  it.each<readonly [string, Call]>([
    ['a snapshot', take('s')],
    ['a deletion', remove('s')],
    ['another backup', begin([{ name: 'vdb' }])],
    ['managed save', libvirt({ call: 'virDomainManagedSave', arguments: { domain: 'vm' }, flags: [] })],
    ['save', libvirt({ call: 'virDomainSaveFlags', arguments: { domain: 'vm', path: '/m' }, flags: [] })],
  ])('%s waits for it in vain', (_, call) => {
    expect(refusalOf(busy(), call)).toBe(lock)
  })

  it('refuses a revert, and other jobs on the disk', () => {
    expect(refusalOf(busy(), revert('s'))).toBe('Requested operation is not valid: domain has active block job')
    const pull = libvirt({
      call: 'virDomainBlockPull',
      arguments: { domain: 'vm', disk: 'vda', bandwidth: 0 },
      flags: [],
    })
    expect(refusalOf(busy(), pull)).toBe("Operation not supported: disk 'vda' already in active block job")
  })

  it('lets the guest be suspended, and a pull of another disk', () => {
    after(busy(), plain('virDomainSuspend'), plain('virDomainResume'))
    does(
      busy(),
      libvirt({ call: 'virDomainBlockPull', arguments: { domain: 'vm', disk: 'vdb', bandwidth: 0 }, flags: [] }),
    )
  })
})

describe('where it comes to nothing', () => {
  const begun = (reuse = false): MachineWorld => {
    const made = (on: MachineWorld, disk: string): MachineWorld =>
      does(on, img('create', '-f', 'qcow2', images(`${disk}.backup`), '524288'), { disk })
    const start = reuse ? made(made(vm(), 'vda'), 'vdb') : vm()
    return wrote(does(start, begin(both, reuse)), '2')
  }
  const own = 'aa.qcow2 ab.qcow2'
  const oneAbort = libvirt({
    call: 'virDomainBlockJobAbort',
    arguments: { domain: 'vm', disk: 'vda' },
    flags: [],
  })
  const canceled = (disk: string): Wait => ({ _tag: 'LibvirtJob', disk, status: 'canceled' })
  const over = (on: MachineWorld): MachineWorld => {
    const trace = run(
      on,
      { call: plain('virDomainSuspend'), until: canceled('vda') },
      { call: plain('virDomainResume'), until: canceled('vdb') },
    )
    expect(trace.fault).toBe(undefined)
    return endOfMachine(trace)
  }
  const ends: ReadonlyArray<readonly [string, (on: MachineWorld) => MachineWorld]> = [
    ['virDomainAbortJob', (on) => over(does(on, abort))],
    ['the end of the job of one disk', (on) => over(does(on, oneAbort))],
    ['the end of the domain', (on) => does(on, destroy)],
    ['kill -9', killMachine],
  ]

  it.each(ends)('through %s, the files that libvirt has made are gone, and the guest has lost nothing', (_, end) => {
    const left = end(begun())
    expect([files(left), guest(left), left.backup]).toStrictEqual([own, '12000000 12000000', undefined])
    expect(machineIncidents(left)).toStrictEqual([])
  })

  it.each(ends)('through %s, files that were there stay', (_, end) => {
    expect(files(end(begun(true)))).toBe(`${own} vda.backup vdb.backup`)
  })

  it('of one disk, the file of one that had completed goes too, and the wait has failed', () => {
    const begunBoth = begun()
    const concluded = (disk: string, error: string | undefined): World => {
      const world = begunBoth.worlds.get(disk)
      if (world?.qemu === undefined) throw new Error('no QEMU')
      const jobs = world.qemu.jobs.map((job) => ({ ...job, status: 'concluded' as const, error }))
      return { ...world, qemu: { ...world.qemu, jobs } }
    }
    const worlds = new Map([
      ['vda', concluded('vda', undefined)],
      ['vdb', concluded('vdb', 'No space left on device')],
    ])
    const trace = run({ ...begunBoth, worlds }, { call: plain('virDomainSuspend'), until: done(['vda', 'vdb']) })
    expect(trace.fault?.fault._tag).toBe('WaitFailed')
    expect(files(endOfMachine(trace))).toBe(own)
  })

  describe.each([
    ['virDomainAbortJob', abort],
    ['the end of the job of one disk', oneAbort],
  ] as const)('between %s and the end of the jobs', (_, end) => {
    const between = (): MachineWorld => does(begun(), end)

    it('the images are there, and the guest writes', () => {
      const { moments } = runMachine(
        between(),
        [{ call: plain('virDomainSuspend') }, { call: plain('virDomainResume') }],
        {
          writes: () => [{ disk: 'vdb', run: clusterAt(1, 'x') }],
        },
      )
      const at = moments.map(({ machine }) => machine)
      expect(at.map(files)).toEqual(at.map(() => `${own} vda.backup vdb.backup`))
      expect(guest(at.at(-1) ?? vm())).toBe('12000000 1x000000')
    })

    it('nobody else may open them', () => {
      expect(refusalOf(between(), img('rebase', '-u', '-b', '', images('vdb.backup')))).toContain('lock')
    })

    it('it can be ended again, or the guest', () => {
      expect(files(over(does(between(), abort)))).toBe(own)
      expect(files(does(between(), destroy))).toBe(own)
      expect(files(killMachine(between()))).toBe(own)
    })

    it('what waits for it waits until then, and no longer', () => {
      const taken = does(between(), take('s'))
      expect([files(taken), taken.backup]).toEqual(['aa.qcow2 aa.s ab.qcow2 ab.s', undefined])
      const again = run(between(), whole)
      expect([again.fault, seen(endOfMachine(again), 'vdb.backup')]).toEqual([undefined, '12000000'])
      expect(refusalOf(between(), revert('s'))).toBe('Requested operation is not valid: domain has active block job')
    })
  })
})
