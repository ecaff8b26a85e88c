// Devices under the bases of commits that an operation on a machine is composed of.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  chain,
  changeChain,
  commitsOf,
  deleteSnapshots,
  explainMachineRefusal,
  exportSnapshot,
  machine as makeMachine,
  shellLine,
} from '../../src/index.js'
import type {
  Chain,
  DeleteRequest,
  Format,
  ImageDescription,
  ImageDevice,
  Machine,
  MachineHost,
  MachinePlan,
  MachineRefusal,
} from '../../src/index.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })
const offline: MachineHost = { via: 'qemu-img', capabilities }
const qmp: MachineHost = { via: 'qmp', capabilities }
const libvirt: MachineHost = { via: 'libvirt', capabilities }

const on = (name: string) => ({ location: { _tag: 'BlockDevice', path: `/dev/vg/${name}` } }) as const

/** v, v.1 and w are on devices. */
const three: Vm = {
  disks: { vda: 'v <- v.1 <- v.2 <- v.3^', vdb: 'w <- w.1^' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'w' },
    { name: 's2', parent: 's1', vda: 'v.1' },
    { name: 's3', parent: 's2', vda: 'v.2' },
  ],
  current: 's3',
  images: { v: on('v'), 'v.1': on('v.1'), w: on('w') },
  records: 'none',
  state: 'shut-off',
}
const { machine } = vm(three)

const room = (image: string, presentBytes: number, neededBytes = 100): ImageDevice => ({
  ...{ disk: image.startsWith('w') ? 'vdb' : 'vda', image },
  ...{ presentBytes, neededBytes },
})

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(of)) throw new Error(explainMachineRefusal(of.left))
  return of.right
}
const refused = (of: E.Either<MachineRefusal, MachinePlan>): MachineRefusal => {
  if (E.isRight(of)) throw new Error('no refusal')
  return of.left
}

const deletion = (request: DeleteRequest, host = offline, of: Machine = machine) => deleteSnapshots(of, request, host)
const commits = (plan: MachinePlan) => commitsOf(plan).map(({ disk, top, base }) => `${disk}: ${top} into ${base}`)
const held = ({ assumes }: MachinePlan) =>
  assumes.flatMap((one) =>
    one._tag === 'OfDisk' && one.assumption._tag === 'DeviceHolds' ? [`${one.disk} ${one.assumption.image}`] : [],
  )
const lines = ({ steps }: MachinePlan) => steps.map(({ call }) => shellLine(call))

const tooSmall = (image: string, presentBytes = 99, neededBytes = 100) => ({
  ...{ _tag: 'BaseDeviceTooSmall', base: image, presentBytes, neededBytes },
  alternatives: [{ _tag: 'ExtendDevice', image, toBytes: neededBytes }],
})

describe('a deletion', () => {
  const all = { snapshots: ['s1', 's3'], direction: 'commit' } as const

  it('assumes that the devices of its bases hold what is committed, where nothing is said', () => {
    const plan = planned(deletion(all))
    expect(commits(plan)).toStrictEqual(['vda: v.1 into v', 'vda: v.3 into v.2', 'vdb: w.1 into w'])
    expect(held(plan)).toStrictEqual(['vda v', 'vdb w'])
  })

  it('is the same plan where every device is large enough, and assumes it of the others alone', () => {
    const plan = planned(deletion({ ...all, devices: [room('v', 100)] }))
    expect(held(plan)).toStrictEqual(['vdb w'])
    expect(plan.steps).toStrictEqual(planned(deletion(all)).steps)
    expect(held(planned(deletion({ ...all, devices: [room('v', 100), room('w', 101)] })))).toStrictEqual([])
  })

  it.each([
    ['vda', 'v', [room('v', 99), room('w', 99)]],
    ['vdb', 'w', [room('v', 100), room('w', 99)]],
  ])('is refused as a whole where that of %s is too small', (disk, image, devices) => {
    expect(refused(deletion({ ...all, devices }))).toStrictEqual({
      ...{ _tag: 'DiskRefused', disk, refusal: tooSmall(image) },
      alternatives: [{ _tag: 'Direction', direction: 'auto' }],
    })
  })

  it('says what there is besides', () => {
    expect(explainMachineRefusal(refused(deletion({ ...all, devices: [room('v', 99)] }))).split('\n')).toStrictEqual([
      'On disk vda: The device of the base v is too small for what the base becomes: 99 bytes, and 100 bytes are needed.',
      'Instead:',
      '- extend the device of v to 100 bytes',
      'Instead:',
      "- let the data go another way (`direction: 'auto'`)",
    ])
  })

  it('goes by the worst of what is said of a device', () => {
    const devices = [room('v', 100), room('v', 90, 95), room('v', 50, 49)]
    expect(refused(deletion({ ...all, devices }))).toMatchObject({ refusal: tooSmall('v', 90, 95) })
  })

  it('lets nobody else have a say: nothing is committed into v.1', () => {
    expect(held(planned(deletion({ ...all, devices: [room('v.1', 1), room('w', 100)] })))).toStrictEqual(['vda v'])
  })

  it('goes up where that may be, and assumes that the device of who pulls holds it', () => {
    const plan = planned(deletion({ snapshots: ['s1'], devices: [room('v', 99), room('w', 100)] }))
    expect(commits(plan)).toStrictEqual(['vdb: w.1 into w'])
    expect(held(plan)).toStrictEqual(['vda v.1'])
    expect(lines(plan)[0]).toBe("qemu-img rebase -f qcow2 -b '' /dev/vg/v.1")
  })

  it('looks at the right disk: the names of images are those of a disk', () => {
    const one = refused(deletion({ ...all, devices: [{ ...room('v', 1), disk: 'vdb' }] }))
    expect(one).toStrictEqual({
      ...{ _tag: 'DiskRefused', disk: 'vdb', alternatives: [] },
      refusal: { _tag: 'ImageNotInChain', image: 'v', alternatives: [] },
    })
    const none = refused(deletion({ ...all, devices: [{ ...room('v', 1), disk: 'vdc' }] }))
    expect(none).toStrictEqual({ _tag: 'DiskNotFound', disk: 'vdc', alternatives: [] })
  })

  it('tells images of one name on two disks apart', () => {
    const image = (disk: string, name: string, more: Partial<ImageDescription> = {}): ImageDescription => ({
      ...{ name, format: 'qcow2', sizeBytes: 65_536, otherReaders: [] },
      location: { _tag: 'BlockDevice', path: `/dev/${disk}/${name}` },
      ...more,
    })
    const disk = (target: string): Chain => {
      const backing = { image: 'base', header: `/dev/${target}/base`, format: 'qcow2' } as const
      const made = chain(target, [image(target, 'base'), image(target, 'top', { backing })], 'top')
      if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
      return made.right
    }
    const frozen = (target: string) => [target, { mode: 'external', frozen: 'base' }] as const
    const twins = makeMachine({
      ...{ name: 'vm', state: 'shut-off', disks: [disk('vda'), disk('vdb')] },
      snapshots: [{ name: 's1', disks: [frozen('vda'), frozen('vdb')] }],
    })
    if (E.isLeft(twins)) throw new Error(JSON.stringify(twins.left))
    const devices = [
      { ...room('base', 100), disk: 'vda' },
      { ...room('base', 99), disk: 'vdb' },
    ]
    const found = refused(deletion({ snapshots: ['s1'], direction: 'commit', devices }, offline, twins.right))
    expect(found).toMatchObject({ disk: 'vdb', refusal: tooSmall('base') })
  })

  it.each(['libvirt', 'by hand'] as const)('through libvirt, %s, is refused too', (how) => {
    for (const state of ['running', 'shut-off'] as const) {
      const managed = vm({ ...three, state, records: 'as libvirt writes them', images: {} }).machine
      const request = { snapshots: ['s2'], how, direction: 'commit' } as const
      expect(commits(planned(deletion(request, libvirt, managed)))).toStrictEqual(['vda: v.2 into v.1'])
      const found = refused(deletion({ ...request, devices: [room('v.1', 99)] }, libvirt, managed))
      expect(found).toMatchObject({ _tag: 'DiskRefused', disk: 'vda', refusal: tooSmall('v.1') })
    }
  })

  it('through a monitor is refused before anything is written', () => {
    const running = vm({ ...three, state: 'running', nodes: 'monitor' }).machine
    expect(refused(deletion({ ...all, devices: [room('w', 99)] }, qmp, running))).toMatchObject({
      refusal: tooSmall('w'),
    })
  })

  it('of a raw base tells to extend its device', () => {
    const grown = vm({
      disks: { vda: 'v:raw[aa] <- v.1[----]^' },
      snapshots: [{ name: 's1', vda: 'v' }],
      images: { v: on('v') },
      ...{ records: 'none', state: 'shut-off' },
    }).machine
    expect(refused(deletion({ snapshots: ['s1'], direction: 'commit' }, offline, grown))).toMatchObject({
      refusal: {
        _tag: 'BaseNotGrowable',
        alternatives: [
          { _tag: 'ExtendDevice', image: 'v', toBytes: 262_144 },
          { _tag: 'PullEverything', into: 'v.1' },
          { _tag: 'Copy', depth: 'full' },
        ],
      },
    })
  })

  it.each<[Format, string]>([
    ['vdi', 'QEMU cannot enlarge a vdi image'],
    ['raw', 'a raw image cannot hide'],
  ])('of a base that would not grow in a file either (%s) does not', (format, why) => {
    const picture = format === 'raw' ? 'u[aaaa] <- v[aa] <- v.1[----]^' : `v:${format}[aa] <- v.1[----]^`
    const stuck = vm({
      disks: { vda: picture },
      snapshots: [{ name: 's1', vda: 'v' }],
      images: { v: { ...on('v'), format: format === 'raw' ? 'qed' : format } },
      ...{ records: 'none', state: 'shut-off' },
    }).machine
    const found = refused(deletion({ snapshots: ['s1'], direction: 'commit' }, offline, stuck))
    expect(JSON.stringify(found)).not.toContain('ExtendDevice')
    expect(JSON.stringify(found)).toContain(format === 'raw' ? 'BaseNotGrowable' : why)
  })
})

it('nobody can extend what is behind a network', () => {
  const running = vm({
    disks: { vda: 'v:raw[aa] <- v.1[----]^' },
    snapshots: [{ name: 's1', vda: 'v' }],
    images: { v: { location: { _tag: 'Network', uri: 'nbd://host/v' } } },
    ...{ records: 'none', state: 'running', nodes: 'monitor' },
  }).machine
  const found = refused(deletion({ snapshots: ['s1'], direction: 'commit' }, qmp, running))
  expect(JSON.stringify(found)).toContain('BaseNotGrowable')
  expect(JSON.stringify(found)).not.toContain('ExtendDevice')
})

describe('a commit on one disk', () => {
  const commit = { top: 'v.2', base: 'v.1' }

  it('is told of the device in its own request', () => {
    const change = (device?: { presentBytes: number; neededBytes: number }) =>
      changeChain(
        machine,
        { disk: 'vda', metadata: 'carry', commit: { ...commit, points: [], ...(device && { device }) } },
        offline,
      )
    const forgotten = vm({ ...three, snapshots: [{ name: 's1', vda: 'v' }], current: 's1' }).machine
    const free = (device?: { presentBytes: number; neededBytes: number }) =>
      changeChain(forgotten, { disk: 'vda', commit: { ...commit, ...(device && { device }) } }, offline)
    expect(refused(change({ presentBytes: 99, neededBytes: 100 }))).toMatchObject({ refusal: tooSmall('v.1') })
    expect(held(planned(free()))).toStrictEqual(['vda v.1'])
    expect(held(planned(free({ presentBytes: 100, neededBytes: 100 })))).toStrictEqual([])
  })
})

describe('an export with overlays', () => {
  const running = vm({ ...three, state: 'running', nodes: 'monitor', images: { 'v.3': on('v.3') } }).machine
  const to = new Map([
    ['vda', { name: 'copy', location: { _tag: 'File', path: '/backup/copy' }, format: 'qcow2' } as const],
  ])
  const overlays = new Map([
    ['vda', { name: 'o', location: { _tag: 'File', path: '/images/o' }, format: 'qcow2' } as const],
  ])
  const exported = (devices?: ReadonlyArray<ImageDevice>, way: 'overlay' | 'backup' = 'overlay') =>
    exportSnapshot(
      running,
      { to, way, ...(way === 'overlay' && { overlays }), ...(devices === undefined ? {} : { devices }) },
      qmp,
    )

  it('commits them back into the device of the active image', () => {
    const plan = planned(exported())
    expect(commits(plan)).toStrictEqual(['vda: o into v.3'])
    expect(held(plan)).toStrictEqual(['vda v.3'])
    expect(held(planned(exported([room('v.3', 100)])))).toStrictEqual([])
  })

  it('is refused where that is too small, before the overlay is made', () => {
    expect(refused(exported([room('v.3', 99)]))).toMatchObject({ disk: 'vda', refusal: tooSmall('v.3') })
  })

  it('needs no device in another way', () => {
    expect(refused(exported([room('v.3', 100)], 'backup'))).toMatchObject({
      _tag: 'NotThisWay',
      why: 'nothing is committed in this way',
    })
    expect(E.isRight(exported([], 'backup'))).toBe(true)
    expect(refused(exported([room('u', 100)]))).toMatchObject({ refusal: { _tag: 'ImageNotInChain', image: 'u' } })
  })
})
