import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  changeChain,
  checkMachinePlan,
  deleteSnapshots,
  forget,
  pointMap,
  printChain,
  shellLine,
  snapshotRange,
  subtreeOf,
} from '../../src/index.js'
import type { DeleteRequest, Machine, MachineHost, MachinePlan, MachineRefusal } from '../../src/index.js'
import { recordedDisks, recordedSources } from '../../src/model/record.js'

import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const host = (via: MachineHost['via']): MachineHost => ({ via, capabilities })

const made = (found: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(found)) throw new Error(JSON.stringify(found.left))
  expect(checkMachinePlan(found.right)).toEqual([])
  return found.right
}

const plan = (of: Vm, request: DeleteRequest, via: MachineHost['via'] = 'libvirt'): MachinePlan =>
  made(deleteSnapshots(vm(of).machine, request, host(via)))

const refusal = (of: Vm, request: DeleteRequest, via: MachineHost['via'] = 'libvirt'): MachineRefusal => {
  const found = deleteSnapshots(vm(of).machine, request, host(via))
  if (E.isRight(found)) throw new Error(`planned: ${lines(found.right).join('\n')}`)
  return found.left
}

const of = (machine: Machine): ReadonlyArray<string> => [
  ...Array.from(machine.disks, ([disk, chain]) => `${disk}: ${printChain(chain)}`),
  ...Array.from(pointMap(machine), ([name, places]) => {
    const parent = machine.snapshots.get(name)?.parent
    const all = Array.from(places, ([disk, { image }]) => ` ${disk} in ${image}`).join('')
    return `${name}${parent === undefined ? '' : ` after ${parent}`}${all}${machine.current === name ? ', current' : ''}`
  }),
]

/** The chains, and where each snapshot is then. */
const shown = ({ after }: MachinePlan): ReadonlyArray<string> => of(after)

/** The calls, with the XML of a redefinition left out. */
const lines = ({ steps }: MachinePlan): ReadonlyArray<string> =>
  steps.map(({ call }) =>
    shellLine(call).replace(
      /^printf .*?<name>(\w+)<.*\| virsh snapshot-create vm \/dev\/stdin(.*)$/,
      'virsh snapshot-create vm $1$2',
    ),
  )

const two: Vm = {
  disks: { vda: 'v <- v.1 <- v.2^' },
  snapshots: [
    { name: 'first', vda: 'v' },
    { name: 'second', parent: 'first', vda: 'v.1' },
  ],
  current: 'second',
}

const three: Vm = {
  disks: { vda: 'v <- v.1 <- v.2 <- v.3^' },
  snapshots: [
    { name: 'first', vda: 'v' },
    { name: 'second', parent: 'first', vda: 'v.1' },
    { name: 'third', parent: 'second', vda: 'v.2' },
  ],
  current: 'third',
}

const off = (machine: Vm): Vm => ({ ...machine, state: 'shut-off' })
const bare = (machine: Vm): Vm => ({ ...machine, records: 'none', nodes: 'monitor' })

/** s1 was taken, then s2; the guest went back to s1 and on to s3. */
const fork: Vm = {
  disks: { vda: 'v <- (v.1 <- v.2, v.3 <- v.4^)' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.1' },
    { name: 's3', parent: 's1', vda: 'v.3' },
  ],
  current: 's3',
}

describe("the wiki's worked examples", () => {
  const everyWay: ReadonlyArray<readonly [string, Vm, MachineHost['via'], DeleteRequest['how']]> = [
    ["by libvirt's own function", two, 'libvirt', 'libvirt'],
    ['by hand through libvirt', two, 'libvirt', 'by hand'],
    ['through libvirt, shut off', off(two), 'libvirt', 'libvirt'],
    ['by hand, shut off', off(two), 'libvirt', 'by hand'],
    ['with QMP', bare(two), 'qmp', 'auto'],
    ['with qemu-img', off(bare(two)), 'qemu-img', 'auto'],
  ]

  it.each(everyWay)('delete the first of two: the second is now tied to the file of the first, %s', (...one) => {
    const [, machine, via, how] = one
    const done = plan(machine, { snapshots: ['first'], ...(how && { how }) }, via)
    expect(shown(done)).toEqual(['vda: v <- v.2^', 'second vda in v, current'])
  })

  it.each(everyWay)('delete the second of three: the file of the third snapshot is what disappears, %s', (...one) => {
    const [, { state, records, nodes }, via, how] = one
    const machine = { ...three, ...(state && { state }), ...(records && { records }), ...(nodes && { nodes }) }
    const done = plan(machine, { snapshots: ['second'], ...(how && { how }) }, via)
    expect(shown(done)).toEqual(['vda: v <- v.1 <- v.3^', 'first vda in v', 'third after first vda in v.1, current'])
  })

  it('the trap: committing .1 into v in order to delete .1 corrupts the snapshot tied to v, and is refused', () => {
    const found = changeChain(vm(two).machine, { disk: 'vda', commit: { top: 'v.1', base: 'v' } }, host('libvirt'))
    expect(E.isLeft(found) && found.left).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'PointInTimeLost', points: [{ point: 'first', image: 'v' }] },
    })
  })

  it('deleting the newest by a pull into the active image (R5)', () => {
    const done = plan(bare(three), { snapshots: ['third'], direction: 'pull' }, 'qmp')
    expect(shown(done)).toEqual(['vda: v <- v.1 <- v.3^', 'first vda in v', 'second after first vda in v.1, current'])
  })

  it('deleting offline with a rebase of the image above (R6)', () => {
    const done = plan(off(bare(three)), { snapshots: ['second'], direction: 'pull' }, 'qemu-img')
    expect(shown(done)).toEqual(['vda: v <- v.2 <- v.3^', 'first vda in v', 'third after first vda in v.2, current'])
    expect(lines(done)).toEqual([
      'qemu-img rebase -f qcow2 -F qcow2 -b /images/v /images/v.2',
      'qemu-img info --backing-chain --output=json /images/v.2',
      'unlink -- /images/v.1',
    ])
  })
})

describe('the calls', () => {
  it("are one, and a look, where libvirt's own function does it right", () => {
    expect(lines(plan(three, { snapshots: ['second'] }))).toEqual([
      'virsh snapshot-delete vm second',
      'virsh dumpxml vm',
    ])
  })

  it('by hand: the chain, the records, and last the file that nobody knows any more', () => {
    expect(lines(plan(three, { snapshots: ['second'], how: 'by hand' }))).toEqual([
      'virsh blockcommit vm vda --base /images/v.1 --top /images/v.2',
      'virsh dumpxml vm',
      'virsh snapshot-delete vm second --metadata',
      'virsh snapshot-create vm third --redefine',
      'virsh suspend vm',
      'virsh resume vm',
      'unlink -- /images/v.2',
    ])
  })

  it('by hand of the newest: the guest pivots into the image that was frozen', () => {
    const done = plan(three, { snapshots: ['third'], how: 'by hand' })
    expect(lines(done)).toEqual([
      'virsh blockcommit vm vda --base /images/v.2 --top /images/v.3 --active',
      'virsh blockjob vm vda --pivot',
      'virsh dumpxml vm',
      'virsh snapshot-delete vm third --metadata',
      'virsh suspend vm',
      'virsh resume vm',
      'unlink -- /images/v.3',
    ])
    expect(shown(done)).toEqual(['vda: v <- v.1 <- v.2^', 'first vda in v', 'second after first vda in v.1, current'])
  })

  it('of two disks: the disks by themselves, then libvirt once, then one flush for all', () => {
    const machine: Vm = {
      disks: { vda: 'v <- v.1 <- v.2^', vdb: 'w <- w.1 <- w.2^' },
      snapshots: [
        { name: 's1', vda: 'v', vdb: 'w' },
        { name: 's2', parent: 's1', vda: 'v.1', vdb: 'w.1' },
      ],
      current: 's2',
    }
    const done = plan(machine, { snapshots: ['s1'], how: 'by hand' })
    expect(done.steps.map(({ disk }, index) => `${disk ?? 'all'}: ${lines(done)[index] ?? ''}`)).toEqual([
      'vda: virsh blockcommit vm vda --base /images/v --top /images/v.1',
      'vda: virsh dumpxml vm',
      'vdb: virsh blockcommit vm vdb --base /images/w --top /images/w.1',
      'vdb: virsh dumpxml vm',
      'all: virsh snapshot-delete vm s1 --metadata',
      'all: virsh snapshot-create vm s2 --redefine',
      'all: virsh suspend vm',
      'all: virsh resume vm',
      'vda: unlink -- /images/v.1',
      'vdb: unlink -- /images/w.1',
    ])
  })

  it('redefine the snapshot above with the file that holds it, and all that lies below: libvirtd dies where that is missing', () => {
    const record = plan(three, { snapshots: ['second'], how: 'by hand' }).after.snapshots.get('third')?.recorded
    for (const definition of ['domain', 'inactiveDomain'] as const)
      expect(recordedSources(record, definition).get('vda')).toEqual({
        type: 'file',
        path: '/images/v.1',
        format: 'qcow2',
        below: [{ path: '/images/v', format: 'qcow2' }],
        end: 'open',
      })
  })
})

describe('what libvirt refuses is done by hand', () => {
  it('E8, several children: up into one branch, down from the active one', () => {
    expect(refusal(fork, { snapshots: ['s1'], how: 'libvirt' })).toMatchObject({
      _tag: 'LibvirtRefuses',
      rule: 'E8',
      alternatives: [{ _tag: 'How', how: 'by hand' }],
    })
    const done = plan(fork, { snapshots: ['s1'] })
    expect(done.how).toBe('by hand')
    expect(shown(done)).toEqual(['vda: v <- v.4^; v.1 <- v.2', 's2 vda in v.1', 's3 vda in v, current'])
    expect(lines(done)).toEqual([
      'qemu-img rebase -f qcow2 -b "" /images/v.1'.replace('""', "''"),
      'qemu-img info --backing-chain --output=json /images/v.1',
      'virsh blockcommit vm vda --base /images/v --top /images/v.3',
      'virsh dumpxml vm',
      'virsh snapshot-delete vm s1 --metadata',
      'virsh snapshot-create vm s2 --redefine',
      'virsh snapshot-create vm s3 --redefine',
      'virsh suspend vm',
      'virsh resume vm',
      'unlink -- /images/v.3',
    ])
  })

  it('E6, the current one with a child', () => {
    const machine: Vm = {
      disks: { vda: 'v <- v.1 <- (v.2, v.3^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 's3', parent: 's2', vda: 'v.2' },
      ],
      current: 's2',
    }
    expect(refusal(machine, { snapshots: ['s2'], how: 'libvirt' })).toMatchObject({ rule: 'E6' })
    expect(shown(plan(machine, { snapshots: ['s2'] }))).toEqual([
      'vda: v <- (v.1^, v.2)',
      's1 vda in v, current',
      's3 after s1 vda in v.2',
    ])
  })

  it('E7, one that is not a leaf off the active path', () => {
    const machine: Vm = {
      disks: { vda: 'v <- (v.1 <- v.2 <- v.3, v.4^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 's3', parent: 's2', vda: 'v.2' },
      ],
      current: 's1',
    }
    expect(refusal(machine, { snapshots: ['s2'], how: 'libvirt' })).toMatchObject({ rule: 'E7' })
    const done = plan(machine, { snapshots: ['s2'] })
    expect(shown(done)).toEqual(['vda: v <- (v.1 <- v.3, v.4^)', 's1 vda in v, current', 's3 after s1 vda in v.1'])
    expect(lines(done)[0]).toBe('qemu-img commit -f qcow2 -b /images/v.1 -d /images/v.2')
  })

  it('a leaf off the active path: its file goes, and nothing is committed', () => {
    const machine: Vm = {
      disks: { vda: 'v <- (v.1, v.2^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
      ],
      current: 's1',
    }
    for (const how of ['libvirt', 'by hand'] as const) {
      const done = plan(machine, { snapshots: ['s2'], how })
      expect(shown(done)).toEqual(['vda: v <- v.2^', 's1 vda in v, current'])
    }
    expect(lines(plan(machine, { snapshots: ['s2'], how: 'by hand' }))).toEqual([
      'virsh dumpxml vm',
      'virsh snapshot-delete vm s2 --metadata',
      'unlink -- /images/v.1',
    ])
  })

  it('a whole subtree at once, on the active path and beside it', () => {
    const names = subtreeOf(vm(fork).machine, 's1')
    expect(names).toEqual(['s1', 's2', 's3'])
    const done = plan(fork, { snapshots: names })
    expect(shown(done)).toEqual(['vda: v^; v.2'])
    expect(done.after.current).toBeUndefined()
  })

  it('what lies above and is tied to nothing is kept with what it read, or goes where that is asked', () => {
    const kept = plan(fork, { snapshots: ['s2'] })
    expect(shown(kept)).toEqual(['vda: v <- (v.1, v.3 <- v.4^)', 's1 vda in v', 's3 after s1 vda in v.3, current'])
    const gone = plan(fork, { snapshots: ['s2'], untied: 'remove' })
    expect(shown(gone)).toEqual(['vda: v <- v.3 <- v.4^', 's1 vda in v', 's3 after s1 vda in v.3, current'])
    expect(lines(gone).slice(-2)).toEqual(['unlink -- /images/v.2', 'unlink -- /images/v.1'])
    const unseen: Vm = { ...fork, images: { 'v.2': { otherReaders: 'unknown' } } }
    expect(shown(plan(unseen, { snapshots: ['s2'], untied: 'remove' }))[0]).toBe('vda: v <- v.3 <- v.4^')
    const read: Vm = { ...fork, images: { 'v.2': { otherReaders: ['backup'] } } }
    expect(refusal(read, { snapshots: ['s2'], untied: 'remove', how: 'by hand' })).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'ImageShared', image: 'v.2', readers: [{ _tag: 'Other', reader: 'backup' }] },
    })
  })

  it('several in one plan, with one job where libvirt would need three', () => {
    const machine = vm(three).machine
    expect(snapshotRange(machine, { from: 'first', to: 'third' })).toEqual(['first', 'second', 'third'])
    const done = plan(three, { snapshots: ['third', 'first', 'second'] })
    expect(shown(done)).toEqual(['vda: v^'])
    expect(lines(done).filter((line) => line.includes('blockcommit'))).toEqual([
      'virsh blockcommit vm vda --base /images/v --top /images/v.3 --active',
    ])
  })

  it('two that do not touch each other, with one job each', () => {
    const machine: Vm = {
      disks: { vda: 'v <- v.1 <- v.2 <- v.3 <- v.4^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 's3', parent: 's2', vda: 'v.2' },
        { name: 's4', parent: 's3', vda: 'v.3' },
      ],
      current: 's4',
    }
    const done = plan(machine, { snapshots: ['s1', 's3'] })
    expect(shown(done)).toEqual(['vda: v <- v.2 <- v.4^', 's2 vda in v', 's4 after s2 vda in v.2, current'])
    expect(lines(done).filter((line) => line.includes('blockcommit'))).toHaveLength(2)
  })
})

describe('what libvirt would lose', () => {
  it('T06: nothing more, when it has been lost: the overlay of a snapshot that was on an internal one stays, whoever deletes it', () => {
    const machine: Vm = {
      disks: { vda: 'v^ <- v.s2' },
      state: 'shut-off',
      snapshots: [
        { name: 'i1', state: 'shutoff', vda: 'inside v' },
        { name: 's2', parent: 'i1', vda: 'lost', record: { domain: { vda: 'v' }, disks: { vda: 'v.s2' } } },
      ],
      current: 'i1',
    }
    const done = plan(machine, { snapshots: ['s2'], how: 'libvirt' })
    expect(lines(done)).toEqual(['virsh snapshot-delete vm s2'])
    expect(shown(done)).toEqual(['vda: v^ <- v.s2', 'i1 vda in v, current'])
    expect(shown(plan(machine, { snapshots: ['s2'], how: 'by hand' }))).toEqual(shown(done))
  })

  it('B09: where a deletion makes a snapshot current, libvirt is told which overlay it may unlink', () => {
    const machine: Vm = {
      disks: { vda: 'v <- v.1 <- (v.2, v.ts <- v.4^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1', record: { disks: { vda: 'v.2' } } },
        { name: 's3', parent: 's2', vda: 'v.2', record: { disks: { vda: 'v.3' } } },
        { name: 's4', parent: 's2', vda: 'v.ts' },
      ],
      current: 's4',
    }
    for (const how of ['libvirt', 'by hand'] as const) {
      const done = plan(machine, { snapshots: ['s4'], how })
      expect(shown(done)).toEqual([
        'vda: v <- v.1 <- (v.2, v.ts^)',
        's1 vda in v',
        's2 after s1 vda in v.1, current',
        's3 after s2 vda in v.2',
      ])
      const record = done.after.snapshots.get('s2')?.recorded
      expect(recordedDisks(record, 'disks').get('vda')?.path).toBe('/images/v.ts')
      expect(lines(done)).toContain('virsh snapshot-create vm s2 --redefine')
    }
  })

  it('X04: an internal snapshot inside the overlay that would go', () => {
    const machine: Vm = {
      disks: { vda: 'v <- v.1^' },
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'v', state: 'shutoff' },
        { name: 'i1', parent: 's1', vda: 'inside v.1', state: 'shutoff' },
      ],
      current: 'i1',
    }
    expect(refusal(machine, { snapshots: ['s1'], how: 'libvirt' })).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: 'i1', disk: 'vda', image: 'v.1' }],
    })
    expect(refusal(machine, { snapshots: ['s1'] })).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'InternalSnapshotsLost', lost: [{ image: 'v.1', snapshots: ['i1'] }] },
    })
  })

  it('T08: an overlay that libvirt does not know of keeps what it reads', () => {
    const machine: Vm = {
      disks: { vda: 'v <- (v.1 <- v.2^, foreign)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
      ],
      current: 's2',
    }
    expect(refusal(machine, { snapshots: ['s1'], how: 'libvirt' })).toMatchObject({
      _tag: 'LibvirtLoses',
      lost: [{ snapshot: undefined, disk: 'vda', image: 'foreign' }],
    })
    expect(shown(plan(machine, { snapshots: ['s1'] }))).toEqual(['vda: v <- v.2^; foreign', 's2 vda in v, current'])
  })
})

describe('memory', () => {
  const machine: Vm = {
    disks: { vda: 'v <- v.1^' },
    snapshots: [{ name: 's1', vda: 'v', state: 'running', memory: { _tag: 'External', path: '/images/s1.mem' } }],
    current: 's1',
  }

  it('goes with its snapshot, last', () => {
    const done = plan(machine, { snapshots: ['s1'], how: 'by hand' })
    expect(lines(done).at(-1)).toBe('unlink -- /images/s1.mem')
    expect(done.unlinked).toEqual(['/images/s1.mem'])
    expect(plan(machine, { snapshots: ['s1'] }).unlinked).toEqual(['/images/s1.mem'])
  })

  it('stays where it shall, which libvirt cannot', () => {
    const done = plan(machine, { snapshots: ['s1'], memory: 'keep' })
    expect([done.how, done.unlinked]).toEqual(['by hand', []])
  })
})

describe('refusals', () => {
  it('are none for a transient domain, whose plans say that its records end with it', () => {
    const machine: Vm = { ...two, persistence: 'transient' }
    const ends = { _tag: 'RecordsEnd', domain: 'vm' }
    for (const how of ['libvirt', 'by hand'] as const)
      expect(plan(machine, { snapshots: ['first'], how }).assumes).toContainEqual(ends)
    expect(made(forget(vm(machine).machine, { snapshots: ['first'] }, host('libvirt'))).assumes).toContainEqual(ends)
    expect(plan(two, { snapshots: ['first'] }).assumes).not.toContainEqual(ends)
  })

  it('say what is wrong with the request', () => {
    expect(refusal(two, { snapshots: [] })).toMatchObject({ _tag: 'NothingSelected' })
    expect(refusal(two, { snapshots: ['first', 'none'] })).toMatchObject({ _tag: 'SnapshotNotFound', snapshot: 'none' })
    expect(refusal(off(bare(two)), { snapshots: ['first'] }, 'qmp')).toMatchObject({ _tag: 'GuestStateWrong' })
    expect(refusal(bare(two), { snapshots: ['first'] }, 'libvirt')).toMatchObject({ _tag: 'NotThisWay' })
    expect(refusal(two, { snapshots: ['first'] }, 'qmp')).toMatchObject({ _tag: 'NotThisWay' })
  })

  it('a snapshot that stays and is lost: the image that would be written may be the one that holds it', () => {
    const machine: Vm = {
      disks: { vda: 'v <- v.1 <- v.3^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
        { name: 's3', parent: 's2', vda: 'lost' },
      ],
      current: 's3',
    }
    expect(refusal(machine, { snapshots: ['s2'] })).toEqual({
      _tag: 'PointGone',
      snapshot: 's3',
      disks: ['vda'],
      why: 'lost',
      alternatives: [{ _tag: 'Forget', snapshots: ['s3'] }],
    })
    expect(plan(machine, { snapshots: ['s2', 's3'] }).how).toBe('by hand')
    expect(shown(plan(machine, { snapshots: ['s3'] }))).toEqual([
      'vda: v <- v.1 <- v.3^',
      's1 vda in v',
      's2 after s1 vda in v.1, current',
    ])
  })

  it('commit, where one direction alone cannot keep what others read', () => {
    expect(refusal(fork, { snapshots: ['s1'], direction: 'commit' })).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'ImageShared', image: 'v', readers: [{ _tag: 'Overlay', image: 'v.3' }] },
      alternatives: [{ _tag: 'Direction', direction: 'auto' }],
    })
  })

  it('an old libvirt is done by hand', () => {
    const old = { via: 'libvirt', capabilities: capabilitiesOfVersions({ qemu: '7.2', libvirt: '8.0.0' }) } as const
    const own = deleteSnapshots(vm(three).machine, { snapshots: ['second'], how: 'libvirt' }, old)
    expect(E.isLeft(own) && own.left).toMatchObject({ _tag: 'CapabilityMissing' })
    expect(made(deleteSnapshots(vm(three).machine, { snapshots: ['second'] }, old)).how).toBe('by hand')
  })
})

describe('where each point in time is, step by step', () => {
  it('the next one is in both files from the end of the commit on, and the doomed one from its start in none', () => {
    const { steps } = plan(three, { snapshots: ['second'], how: 'by hand' })
    const places = steps.map(({ points }) =>
      Array.from(points, ([name, disks]) => `${name}:${disks.get('vda')?.image ?? '-'}`).join(' '),
    )
    expect(places).toEqual([
      'first:v second:- third:v.2',
      'first:v second:- third:v.1',
      'first:v third:v.1',
      'first:v third:v.1',
      'first:v third:v.1',
      'first:v third:v.1',
      'first:v third:v.1',
    ])
  })
})

describe('forget', () => {
  it('touches no file, and gives children the parent', () => {
    const done = made(forget(vm(three).machine, { snapshots: ['second'] }, host('libvirt')))
    expect([done.parts, lines(done)]).toEqual([[], ['virsh snapshot-delete vm second --metadata']])
    expect(shown(done)).toEqual([
      'vda: v <- v.1 <- v.2 <- v.3^',
      'first vda in v',
      'third after first vda in v.2, current',
    ])
  })
})
