// A snapshot to images of their own: pictures in, pictures and command lines out.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  checkMachinePlan,
  contentsAfter,
  deleteSnapshots,
  explainMachine,
  extractSnapshot,
  layerOfPattern,
  machine,
  patternOfLayer,
  printChain,
  shellLine,
  take,
  viewOf,
} from '../../src/index.js'
import type {
  Image,
  Layer,
  Machine,
  MachineHost,
  MachinePlan,
  MachineRefusal,
  NewImage,
  Opening,
} from '../../src/index.js'
import { decodeMachinePlan, encodeMachinePlan } from '../../src/codec/index.js'
import {
  assertMachinePlanKeepsContent,
  assertMachinePlanSimulates,
  machineContentsAfter,
} from '../../src/testing/index.js'
import type { MachineContents } from '../../src/testing/index.js'
import { extractPart } from '../../src/operation/extract-part.js'
import { builtFor, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import type { Target, Vm } from './machine.js'

const file = (name: string, more: Partial<NewImage> = {}): NewImage => ({
  name,
  location: { _tag: 'File', path: `/copies/${name}` },
  format: 'qcow2',
  ...more,
})

const to = (...images: ReadonlyArray<readonly [Target, NewImage]>): ReadonlyMap<string, NewImage> => new Map(images)

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  expect(checkMachinePlan(of.right)).toEqual([])
  expect(decodeMachinePlan(JSON.stringify(encodeMachinePlan(of.right)))).toEqual(of)
  return of.right
}

const refused = (of: E.Either<MachineRefusal, MachinePlan>): MachineRefusal => {
  if (E.isRight(of)) throw new Error(lines(of.right).join('\n'))
  return of.left
}

/** The tag of a refusal, and of the one inside it. */
const tagOf = (of: E.Either<MachineRefusal, MachinePlan>): string => {
  const refusal = refused(of)
  return refusal._tag === 'DiskRefused' ? `${refusal.disk}: ${refusal.refusal._tag}` : refusal._tag
}

const lines = ({ steps }: MachinePlan): ReadonlyArray<string> => steps.map(({ call }) => shellLine(call))

const converts = (plan: MachinePlan): ReadonlyArray<string> => lines(plan).filter((line) => line.includes(' convert '))

/** What is inside an image: patterns by the names of snapshots. */
const insideOf = (disk: string, image: string, saved: Readonly<Record<string, string>>): MachineContents['inside'] =>
  new Map([
    [disk, new Map([[image, new Map(Object.entries(saved).map(([name, cells]) => [name, layerOfPattern(cells)]))]])],
  ])

/** Holds a plan against all laws, also while the guest writes, and gives what the new images show. */
const shown = (plan: MachinePlan, contents: MachineContents): Readonly<Record<string, string>> => {
  assertMachinePlanKeepsContent(plan, contents, [3, 1])
  assertMachinePlanSimulates(plan, contents)
  assertMachinePlanSimulates(plan, contents, { writes: [5, 1, 4, 2], order: [1, 0] })
  const { disks } = machineContentsAfter(plan, contents)
  return Object.fromEntries(
    Array.from(plan.after.disks.values()).flatMap((chain) =>
      Array.from(chain.images.keys())
        .filter((name) => plan.before.disks.get(chain.disk)?.images.has(name) !== true)
        .map((name) => {
          const view = viewOf(chain, disks.get(chain.disk) ?? new Map(), name)
          return [name, view === undefined ? 'nothing' : patternOfLayer(view)]
        }),
    ),
  )
}

const outside: Vm = {
  disks: { vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-]^', vdb: 'w[dddd] <- w.1[-e--]^' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'w' },
    { name: 's2', parent: 's1', vda: 'v.1', vdb: 'no' },
  ],
  current: 's2',
}

const hosts = [throughLibvirt, throughQmp, throughQemuImg]

describe('a frozen image', () => {
  it.each(hosts.map((host) => [host.via, host] as const))(
    'is copied with what it reads, through %s, and nothing else changes',
    (_via, host) => {
      const built = builtFor(host, outside)
      const request = { snapshot: 's2', to: to(['vda', file('c')]) }
      const plan = planned(extractSnapshot(built.machine, request, host))
      expect(lines(plan)).toEqual([
        'qemu-img convert -f qcow2 -O qcow2 /images/v.1 /copies/c',
        'qemu-img info --backing-chain --output=json /copies/c',
      ])
      expect(Array.from(plan.after.disks.values(), (chain) => printChain(chain))).toEqual([
        'v <- v.1 <- v.2^; c',
        'w <- w.1^',
      ])
      expect([plan.after.snapshots, plan.after.current]).toEqual([plan.before.snapshots, plan.before.current])
      expect(plan.parts.map(({ fates }) => fates.get('c'))).toEqual([['created']])
      expect(shown(plan, { disks: built.contents, inside: new Map() })).toEqual({ c: 'abaa' })
    },
  )

  it('of several disks in lanes of their own, in another format each', () => {
    const built = vm(outside)
    const request = {
      snapshot: 's1',
      to: to(['vda', file('c', { clusterBytes: 131072 })], ['vdb', file('d', { format: 'raw' })]),
    }
    const plan = planned(extractSnapshot(built.machine, request, throughLibvirt))
    expect(converts(plan)).toEqual([
      'qemu-img convert -f qcow2 -O qcow2 -o cluster_size=131072 /images/v /copies/c',
      'qemu-img convert -f qcow2 -O raw /images/w /copies/d',
    ])
    expect(plan.steps.map(({ disk }) => disk)).toEqual(['vda', 'vda', 'vdb', 'vdb'])
    expect(shown(plan, { disks: built.contents, inside: new Map() })).toEqual({ c: 'aaaa', d: 'dddd' })
  })

  it('is as large as the image that was frozen, whatever lies below', () => {
    const built = vm({
      disks: { vda: 'v[aa] <- v.1[-b--] <- v.2[-----c]^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
      ],
    })
    const plan = planned(extractSnapshot(built.machine, { snapshot: 's2', to: to(['vda', file('c')]) }, throughLibvirt))
    expect(plan.after.disks.get('vda')?.images.get('c')?.sizeBytes).toBe(4 * 65536)
    expect(shown(plan, { disks: built.contents, inside: new Map() })).toEqual({ c: 'ab00' })
  })

  it('over an image that is there already', () => {
    const built = vm(outside)
    const there = file('c', { made: 'before', sizeBytes: 4 * 65536 })
    const plan = planned(extractSnapshot(built.machine, { snapshot: 's1', to: to(['vda', there]) }, throughLibvirt))
    expect(converts(plan)).toEqual(['qemu-img convert -f qcow2 -O qcow2 -n /images/v /copies/c'])
    expect(plan.assumes).toEqual([
      { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'MadeBefore', image: 'c', path: '/copies/c' } },
    ])
  })
})

const inside: Vm = {
  disks: { vda: 'v[aaaa] <- v.1[-xy-]^' },
  snapshots: [
    { name: 's1', vda: 'inside v.1' },
    { name: 's2', parent: 's1', vda: 'inside v.1' },
  ],
}
const saved = insideOf('vda', 'v.1', { s1: '-b--', s2: '-bc-' })

describe('a snapshot inside', () => {
  it.each([
    ['libvirt', throughLibvirt, 'running', '-U '],
    ['libvirt', throughLibvirt, 'paused', '-U '],
    ['libvirt', throughLibvirt, 'shut-off', ''],
    ['qmp', throughQmp, 'running', '-U '],
    ['qmp', throughQmp, 'paused', '-U '],
    ['qemu-img', throughQemuImg, 'shut-off', ''],
  ] as const)('is read out of its image, through %s, past the locks of QEMU where it runs (%3$s)', (...row) => {
    const [, host, state, share] = row
    const built = builtFor(host, { ...inside, state })
    const request = { snapshot: 's1', to: to(['vda', file('c')]) }
    const plan = planned(extractSnapshot(built.machine, request, host))
    expect(lines(plan)[0]).toBe(`qemu-img convert ${share}-l snapshot.name=s1 -f qcow2 -O qcow2 /images/v.1 /copies/c`)
    expect(shown(plan, { disks: built.contents, inside: saved })).toEqual({ c: 'abaa' })
    expect(plan.requires).toEqual(
      share === '' ? ['qemu-img-convert-snapshot'] : ['qemu-img-convert-snapshot', 'qemu-img-force-share'],
    )
    const beside = { _tag: 'OfDisk', disk: 'vda', assumption: { _tag: 'StaysInside', image: 'v.1', snapshot: 's1' } }
    expect(plan.assumes.filter((one) => JSON.stringify(one).includes('StaysInside'))).toEqual(
      share === '' ? [] : [beside],
    )
    expect(plan.assumes).toContainEqual({ _tag: 'SizesAsTaken', snapshot: 's1', disks: ['vda'] })
  })

  it('each of several reads its own', () => {
    const built = vm(inside)
    const plan = planned(extractSnapshot(built.machine, { snapshot: 's2', to: to(['vda', file('c')]) }, throughLibvirt))
    expect(shown(plan, { disks: built.contents, inside: saved })).toEqual({ c: 'abca' })
  })

  it('of an image that the guest reads and does not write needs no way past locks', () => {
    const of: Vm = { disks: { vda: 'v[axya] <- v.1[---z]^' }, snapshots: [{ name: 's1', vda: 'inside v' }] }
    const built = vm(of)
    const plan = planned(extractSnapshot(built.machine, { snapshot: 's1', to: to(['vda', file('c')]) }, throughLibvirt))
    expect(converts(plan)).toEqual(['qemu-img convert -l snapshot.name=s1 -f qcow2 -O qcow2 /images/v /copies/c'])
    expect(shown(plan, { disks: built.contents, inside: insideOf('vda', 'v', { s1: 'aaaa' }) })).toEqual({ c: 'aaaa' })
  })

  it.each([
    ['a,b', 'snapshot.name=a,,b'],
    [',,', 'snapshot.name=,,,,'],
    ['7', 'snapshot.name=7'],
    ['a=b', 'snapshot.name=a=b'],
    ['snapshot.id=3', 'snapshot.name=snapshot.id=3'],
  ])('is named so that QEMU reads its name, and no number and no option: %s', (name, option) => {
    const of: Vm = { disks: { vda: 'v[xy]^' }, state: 'shut-off', snapshots: [{ name, vda: 'inside v' }] }
    const built = vm(of)
    const plan = planned(extractSnapshot(built.machine, { snapshot: name, to: to(['vda', file('c')]) }, throughLibvirt))
    expect(plan.steps.map(({ call }) => (call._tag === 'QemuImg' ? call.argv.slice(1, 4) : []))[0]).toEqual([
      'convert',
      '-l',
      option,
    ])
    expect(shown(plan, { disks: built.contents, inside: insideOf('vda', 'v', { [name]: 'ab' }) })).toEqual({ c: 'ab' })
  })

  it('and frozen images of one snapshot, at once', () => {
    const of: Vm = {
      disks: { vda: 'v[aaaa] <- v.1[-b--]^', vdb: 'w[xyzz]^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'inside w' }],
      state: 'running',
    }
    const built = vm(of)
    const request = { snapshot: 's1', to: to(['vdb', file('d')], ['vda', file('c')]) }
    const plan = planned(extractSnapshot(built.machine, request, throughLibvirt))
    expect(converts(plan)).toEqual([
      'qemu-img convert -U -l snapshot.name=s1 -f qcow2 -O qcow2 /images/w /copies/d',
      'qemu-img convert -f qcow2 -O qcow2 /images/v /copies/c',
    ])
    expect(shown(plan, { disks: built.contents, inside: insideOf('vdb', 'w', { s1: 'dd--' }) })).toEqual({
      c: 'aaaa',
      d: 'dd00',
    })
  })

  it('of an image that reads what the guest writes is refused', () => {
    const of: Vm = { disks: { vda: 'v[aa]^ <- v.1[-b]' }, snapshots: [{ name: 's1', vda: 'inside v.1' }] }
    const request = { snapshot: 's1', to: to(['vda', file('c')]) }
    for (const state of ['running', 'paused'] as const)
      expect(refused(extractSnapshot(vm({ ...of, state }).machine, request, throughLibvirt))).toMatchObject({
        _tag: 'DiskRefused',
        refusal: { _tag: 'ImageOpen', image: 'v', wants: 'read', held: { by: { _tag: 'ThisGuest' } } },
      })
    const off = vm({ ...of, state: 'shut-off' })
    const plan = planned(extractSnapshot(off.machine, request, throughLibvirt))
    expect(shown(plan, { disks: off.contents, inside: insideOf('vda', 'v.1', { s1: '-c' }) })).toEqual({ c: 'ac' })
  })

  it.each([
    ['xyzz', 'xy'],
    ['x', 'xa'],
  ])('is copied in the size that its image has today: %s', (then, now) => {
    const built = vm({ disks: { vda: 'v[aa] <- v.1[b-]^' }, snapshots: [{ name: 's1', vda: 'inside v.1' }] })
    const plan = planned(extractSnapshot(built.machine, { snapshot: 's1', to: to(['vda', file('c')]) }, throughLibvirt))
    expect(shown(plan, { disks: built.contents, inside: insideOf('vda', 'v.1', { s1: then }) })).toEqual({ c: now })
  })

  it('of which nobody knows what it holds leaves what its copy holds unknown', () => {
    const built = vm(inside)
    const plan = planned(extractSnapshot(built.machine, { snapshot: 's1', to: to(['vda', file('c')]) }, throughLibvirt))
    const { disks } = machineContentsAfter(plan, { disks: built.contents, inside: new Map() })
    expect(disks.get('vda')?.has('c')).toBe(false)
  })

  it('is explained', () => {
    const plan = planned(
      extractSnapshot(vm(inside).machine, { snapshot: 's1', to: to(['vda', file('c')]) }, throughLibvirt),
    )
    expect(explainMachine(plan).split('\n')).toEqual([
      'Images of their own, from a snapshot, of the machine vm through libvirt.',
      'Chains:',
      '- vda: v <- v.1^ becomes v <- v.1^; c',
      'Points in time:',
      '- s1 on vda stays in inside v.1',
      '- s2 on vda stays in inside v.1',
      'Assumed:',
      '- on vda, there is no file yet at "/copies/c"',
      '- on vda, until s1 inside v.1 has been copied nobody deletes or loads it, or writes to what lies below: no lock is in his way, and the copy would be wrong without a word',
      '- the size of vda is the one of when s1 was taken, which what is inside has',
    ])
  })
})

describe('while a copy is under way that somebody has said in `opened`', () => {
  const built = vm({ ...inside, records: 'none', nodes: 'monitor' })
  const reads: ReadonlyArray<Opening> = ['v', 'v.1'].map((image) => ({
    image,
    by: { _tag: 'Tool', name: 'qemu-img' },
    access: 'read',
  }))
  const host: MachineHost = { ...throughQmp, opened: new Map([['vda', reads]]) }

  it('the snapshot is not deleted, and the image gets no other', () => {
    expect(tagOf(deleteSnapshots(built.machine, { snapshots: ['s1'] }, host))).toBe('vda: ImageOpen')
    const another = { name: 's3', disks: new Map([['vda', { mode: 'internal' as const }]]) }
    expect(tagOf(take(built.machine, another, host))).toBe('vda: ImageOpen')
  })

  it('another copy can be made', () => {
    planned(extractSnapshot(built.machine, { snapshot: 's2', to: to(['vda', file('c')]) }, host))
  })
})

const withImage = (of: Vm, name: string, change: Partial<Image>): Machine =>
  vm({ ...of, images: { [name]: change } }).machine

const job = { id: 'j', kind: 'commit' as const, images: [] }

describe('an extraction is refused', () => {
  const plain = vm(outside).machine
  const full = { snapshot: 's1', to: to(['vda', file('c')]) }

  it.each<readonly [string, E.Either<MachineRefusal, MachinePlan>]>([
    ['SnapshotNotFound', extractSnapshot(plain, { ...full, snapshot: 'nix' }, throughLibvirt)],
    ['NothingSelected', extractSnapshot(plain, { ...full, to: to() }, throughLibvirt)],
    ['DiskNotFound', extractSnapshot(plain, { ...full, to: to(['vdz', file('c')]) }, throughLibvirt)],
    ['PointGone', extractSnapshot(plain, { snapshot: 's2', to: to(['vdb', file('c')]) }, throughLibvirt)],
    ['NotThisWay', extractSnapshot(plain, full, { ...throughQemuImg, via: 'storage-daemon' })],
    ['NotThisWay', extractSnapshot(plain, full, throughQmp)],
    ['GuestStateWrong', extractSnapshot(plain, full, throughQemuImg)],
    ['GuestStateWrong', extractSnapshot(builtFor(throughQemuImg, outside).machine, full, throughQmp)],
    ['JobActive', extractSnapshot(plain, full, { ...throughLibvirt, jobs: new Map([['vda', [job]]]) })],
    ['PathTaken', extractSnapshot(plain, { ...full, reserved: ['/copies/../copies/c'] }, throughLibvirt)],
    [
      'PathTaken',
      extractSnapshot(
        plain,
        { snapshot: 's1', to: to(['vda', file('c')], ['vdb', { ...file('d'), location: file('c').location }]) },
        throughLibvirt,
      ),
    ],
    [
      'PathTaken',
      extractSnapshot(
        plain,
        { ...full, to: to(['vda', { ...file('c'), location: { _tag: 'File', path: '/images/w' } }]) },
        throughLibvirt,
      ),
    ],
    ['vda: NameTaken', extractSnapshot(plain, { ...full, to: to(['vda', file('v')]) }, throughLibvirt)],
    [
      'vda: DestinationWrong',
      extractSnapshot(
        plain,
        { ...full, to: to(['vda', file('c', { location: { _tag: 'File', path: 'c' } })]) },
        throughLibvirt,
      ),
    ],
    [
      'vda: DestinationWrong',
      extractSnapshot(plain, { ...full, to: to(['vda', file('c', { format: 'vmdk' })]) }, throughLibvirt),
    ],
    [
      'vda: DestinationWrong',
      extractSnapshot(plain, { ...full, to: to(['vda', file('c', { sizeBytes: 512 })]) }, throughLibvirt),
    ],
    [
      'vda: DestinationWrong',
      extractSnapshot(plain, { ...full, to: to(['vda', file('c', { found: 'something' })]) }, throughLibvirt),
    ],
    [
      'vda: DestinationWrong',
      extractSnapshot(plain, { ...full, to: to(['vda', file('c', { header: 'v' })]) }, throughLibvirt),
    ],
    ['vda: NotThisWay', extractSnapshot(withImage(outside, 'v', { encryption: 'luks' }), full, throughLibvirt)],
    [
      'vda: PathNotAbsolute',
      extractSnapshot(withImage(outside, 'v', { location: { _tag: 'File', path: 'v' } }), full, throughLibvirt),
    ],
    [
      'vda: ImageOpen',
      extractSnapshot(plain, full, {
        ...throughLibvirt,
        opened: new Map([['vda', [{ image: 'v', by: { _tag: 'OtherGuest', name: 'vm2' }, access: 'write' }]]]),
      }),
    ],
    [
      'CapabilityMissing',
      extractSnapshot(vm(inside).machine, full, {
        ...throughLibvirt,
        capabilities: capabilitiesOfVersions({ qemu: '2.9', libvirt: '11.3.0' }),
      }),
    ],
    [
      'vda: NotThisWay',
      extractSnapshot(
        withImage(inside, 'v.1', {
          internalSnapshots: ['1', '2', '3'].map((id) => ({ id, name: id === '3' ? 's2' : 's1', vmStateBytes: 0 })),
        }),
        full,
        throughLibvirt,
      ),
    ],
  ])('%s', (tag, of) => {
    expect(tagOf(of)).toBe(tag)
  })

  it.each([
    ['lost', { name: 's1', vda: 'lost' }],
    ['manual', { name: 's1', vda: 'manual' }],
    ['left out', { name: 's1', vda: 'no', vdb: 'w' }],
    ['left out', { name: 's1', vdb: 'w' }],
    ['disk gone', { name: 's1', vdc: 'x' }],
  ] as const)('where the snapshot does not have the disk: %s', (why, snapshot) => {
    const { machine: of } = vm({ ...outside, snapshots: [snapshot], current: 's1' })
    const disk = why === 'disk gone' ? 'vdc' : 'vda'
    expect(refused(extractSnapshot(of, { snapshot: 's1', to: to([disk, file('c')]) }, throughLibvirt))).toMatchObject({
      _tag: 'PointGone',
      snapshot: 's1',
      disks: [disk],
      why,
    })
  })

  it('where libvirt has begun to delete it', () => {
    const half: Vm = {
      disks: { vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-]^' },
      state: 'shut-off',
      snapshots: [
        { name: 's1', vda: 'v', record: { deletion: ['vda'] } },
        { name: 's2', parent: 's1', vda: 'v.1' },
      ],
      current: 's2',
    }
    const copy = (snapshot: string) =>
      extractSnapshot(vm(half).machine, { snapshot, to: to(['vda', file('c')]) }, throughLibvirt)
    expect(refused(copy('s2'))).toMatchObject({ _tag: 'PointGone', snapshot: 's2', why: 'lost' })
    planned(copy('s1'))
  })

  it('but not for a job on another disk, and not for an old QEMU where nothing is inside', () => {
    planned(extractSnapshot(plain, full, { ...throughLibvirt, jobs: new Map([['vdb', [job]]]) }))
    planned(extractSnapshot(plain, full, { ...throughLibvirt, capabilities: capabilitiesOfVersions({}) }))
  })

  it('not because memory waits to be restored: nothing that it pins is written', () => {
    const { machine: of } = vm({ ...outside, state: 'shut-off' })
    const state = {
      place: { kind: 'managed' },
      guest: 'running',
      definition: { name: 'domain', attributes: {}, children: [] },
      known: 'as printed',
      disks: 'as saved',
      images: new Map(),
    } as const
    const waiting = machine({ ...of, disks: of.disks.values(), snapshots: of.snapshots.values(), saved: [state] })
    if (E.isLeft(waiting)) throw new Error(JSON.stringify(waiting.left))
    planned(extractSnapshot(waiting.right, full, throughLibvirt))
  })
})

it('what an image holds that is filled from what nobody knows is not known any more', () => {
  const { machine: of, contents } = vm({ disks: { vda: 'v[aa] <- v.1[b-]^' } })
  const after = of.disks.get('vda')
  const before = contents.get('vda')
  const [v, top] = Array.from(after?.images.values() ?? [], ({ name }) => name)
  if (after === undefined || before === undefined || v === undefined || top === undefined) throw new Error('no chain')
  const fill = { after, contents: [{ image: v, span: [v, top], sizeBytes: 2 * 65536, inside: 's1' }] }
  const known = new Map([[String(top), new Map([['s1', layerOfPattern('-c')]])]])
  const cells = (of: ReadonlyMap<string, Layer>): ReadonlyArray<string> =>
    Array.from(of, ([name, layer]) => `${name} ${patternOfLayer(layer)}`)
  expect(cells(contentsAfter(fill, before))).toEqual(['v.1 b-'])
  expect(cells(contentsAfter(fill, before, known))).toEqual(['v ac', 'v.1 b-'])
})

describe('one disk', () => {
  const { machine: of } = vm(outside)
  const chain = of.disks.get('vda')
  if (chain === undefined) throw new Error('no chain')
  const at = (guest: 'running' | 'shut-off') =>
    ({ via: 'qemu-img', guest, capabilities: capabilitiesOfVersions({}) }) as const

  it('can be copied as it is, also the active image while nobody writes it', () => {
    const part = extractPart({
      chain,
      image: 'v.2',
      inside: undefined,
      to: file('c'),
      data: {},
      hypervisor: at('shut-off'),
    })
    if (E.isLeft(part)) throw new Error(JSON.stringify(part.left))
    const { part: own, drafts, assumes } = part.right
    expect(printChain(own.after)).toBe('v <- v.1 <- v.2^; c')
    expect(own.contents).toEqual([{ image: 'c', span: ['v', 'v.1', 'v.2'], sizeBytes: 4 * 65536 }])
    expect(drafts.map(({ disk, step }) => [disk, shellLine(step.call)])).toEqual([
      ['vda', 'qemu-img convert -f qcow2 -O qcow2 /images/v.2 /copies/c'],
      ['vda', 'qemu-img info --backing-chain --output=json /copies/c'],
    ])
    expect(assumes).toEqual([
      { _tag: 'NothingAt', path: '/copies/c' },
      { _tag: 'Closed', images: ['v.2'] },
    ])
  })

  it.each([
    ['ImageNotInChain', { image: 'nix', inside: undefined }],
    ['NotThisWay', { image: 'v.2', inside: 'nix' }],
  ] as const)('is refused: %s', (tag, what) => {
    const part = extractPart({ chain, ...what, to: file('c'), data: {}, hypervisor: at('running') })
    expect(E.isLeft(part) ? part.left._tag : 'planned').toBe(tag)
  })
})
