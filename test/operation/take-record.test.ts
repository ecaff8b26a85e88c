// What libvirt writes down when a snapshot is taken: first as captured from libvirt 11.3, then case by case.

import { describe, expect, it } from 'vitest'

import { parseChain } from '../../src/index.js'
import { parsedXml } from '../../src/codec/xml-document.js'
import { machine } from '../../src/model/machine-make.js'
import { activeImage, knownImage } from '../../src/model/chain-query.js'
import { withImages } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import { withMachine } from '../../src/model/machine.js'
import type { Machine } from '../../src/model/machine.js'
import type { SnapshotDescription } from '../../src/model/snapshot.js'
import { recordedDisks, withChildren, withDomainDisk } from '../../src/model/record.js'
import { childOf, element, xmlText } from '../../src/model/xml.js'
import type { XmlElement } from '../../src/model/xml.js'
import type { TakeDisk, TakeRequest } from '../../src/operation/machine-request.js'
import { captured, right } from '../codec/captured.js'

import { recorded, sources, taken, throughLibvirt } from './expect-take.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

/** Without the white space between elements. */
const compact = (of: XmlElement): XmlElement => {
  const elements = of.children.filter((child) => typeof child === 'object')
  return { ...of, children: elements.length > 0 ? elements.map(compact) : of.children }
}

const xml = (path: string): XmlElement => compact(right(parsedXml(captured(`10.0/snapshots/${path}`))))

/** Images in `/images`, the lowest one with the suffix `.qcow2`. */
const chainAt = (disk: string, names: ReadonlyArray<string>): Chain => {
  const { chain } = right(parseChain(`${names.join(' <- ')}^`, { disk }))
  return chain
}

interface Scene {
  readonly folder: string
  readonly state: Machine['state']
  readonly names: Readonly<Record<string, ReadonlyArray<string>>>
  readonly snapshots?: ReadonlyArray<SnapshotDescription>
  readonly current?: string
}

/** The machine just before libvirt took that snapshot, from what the snapshot itself says of it. */
const before = ({ folder, state, names, snapshots, current }: Scene, name: string): Machine => {
  const record = xml(`${folder}/snapshot-${name}.xml`)
  const stored = childOf(record, 'inactiveDomain') ?? childOf(record, 'domain')
  if (stored === undefined) throw new Error('no definition')
  const persistent = { ...stored, name: 'domain' }
  const disks = Object.entries(names).map(([disk, images]) => chainAt(disk, images))
  return right(
    machine({
      name: folder,
      state,
      disks,
      definitions: { persistent, live: state === 'shut-off' ? undefined : persistent },
      ...(snapshots === undefined ? {} : { snapshots }),
      ...(current === undefined ? {} : { current }),
    }),
  )
}

/** What nobody can foretell: the cookie. */
const withoutCookie = (record: XmlElement): XmlElement => withChildren(record, 'cookie', () => undefined)

const timeOf = (record: XmlElement): string =>
  childOf(record, 'creationTime')
    ?.children.filter((child) => typeof child === 'string')
    .join('') ?? ''

const expectCaptured = (scene: Scene, request: TakeRequest): void => {
  const wanted = withoutCookie(xml(`${scene.folder}/snapshot-${request.name}.xml`))
  const plan = taken(before(scene, request.name), { creationTime: timeOf(wanted), ...request })
  const found = plan.after.snapshots.get(request.name)?.recorded
  expect(found && xmlText(found)).toBe(xmlText(wanted))
}

const expectPersistent = (scene: Scene, request: TakeRequest): void => {
  const plan = taken(before(scene, request.name), request)
  const found = plan.after.definitions?.persistent
  expect(found && xmlText(found)).toBe(xmlText(xml(`${scene.folder}/domain.inactive.xml`)))
}

const overlay = (path: string): TakeDisk => ({
  mode: 'external',
  overlay: { name: path, location: { _tag: 'File', path }, format: 'qcow2' },
})

describe('as captured from libvirt 11.3', () => {
  const three: Scene = {
    folder: 'three',
    state: 'running',
    names: {
      vda: ['three-vda.qcow2', 'three-vda.s1', 'three-vda.s2'],
      vdb: ['three-vdb.qcow2', 'three-vdb.s1', 'three-vdb.s2'],
    },
    snapshots: [
      { name: 's1', disks: [], recorded: xml('three/snapshot-s1.xml') },
      { name: 's2', parent: 's1', disks: [], recorded: xml('three/snapshot-s2.xml') },
    ],
    current: 's2',
  }

  it('the third snapshot of a running guest, and its persistent definition afterwards', () => {
    expectCaptured(three, { name: 's3' })
    expectPersistent(three, { name: 's3' })
  })

  const first = (folder: string, state: Machine['state'], prefix = folder): Scene => ({
    folder,
    state,
    names: { vda: [`${prefix}-vda.qcow2`], vdb: [`${prefix}-vdb.qcow2`] },
  })

  it('the second snapshot of a guest that is shut off, with a description', () => {
    const scene: Scene = {
      folder: 'external-offline',
      state: 'shut-off',
      names: { vda: ['off-vda.qcow2', 'off-vda.s1'], vdb: ['off-vdb.qcow2', 'off-vdb.s1'] },
      snapshots: [{ name: 's1', disks: [], recorded: xml('external-offline/snapshot-s1.xml') }],
      current: 's1',
    }
    expectCaptured(scene, { name: 's2', description: 'second & <last>' })
    expectPersistent(scene, { name: 's2' })
  })

  it('disks with memory in a file', () => {
    const memory = { _tag: 'External', path: '/images/memory.s1.mem' } as const
    expectCaptured(first('external-with-memory', 'running', 'memory'), { name: 's1', memory })
    expectPersistent(first('external-with-memory', 'running', 'memory'), { name: 's1', memory })
  })

  it('memory alone', () => {
    const memory = { _tag: 'External', path: '/images/alone.s1.mem' } as const
    const disks = new Map<string, TakeDisk>([
      ['vda', { mode: 'no' }],
      ['vdb', { mode: 'no' }],
    ])
    expectCaptured(first('memory-only', 'running', 'alone'), { name: 's1', memory, disks })
    expectPersistent(first('memory-only', 'running', 'alone'), { name: 's1', memory, disks })
  })

  it('one disk left out', () => {
    const request = { name: 's1', disks: new Map<string, TakeDisk>([['vdb', { mode: 'no' }]]) }
    expectCaptured(first('subset', 'running'), request)
    expectPersistent(first('subset', 'running'), request)
  })

  it('one disk saved by somebody else', () => {
    const request = { name: 's1', disks: new Map<string, TakeDisk>([['vdb', { mode: 'manual' }]]) }
    expectCaptured(first('manual', 'running'), request)
    expectPersistent(first('manual', 'running'), request)
  })

  const inside = new Map<string, TakeDisk>([
    ['vda', { mode: 'internal' }],
    ['vdb', { mode: 'internal' }],
  ])

  it('inside the images, shut off', () => {
    expectCaptured(first('internal-offline', 'shut-off', 'internal'), { name: 'i1', disks: inside })
    expectPersistent(first('internal-offline', 'shut-off', 'internal'), { name: 'i1', disks: inside })
  })

  it('an internal system checkpoint', () => {
    const scene = first('internal-system', 'running', 'system')
    expectCaptured(scene, { name: 'i1', disks: inside, memory: { _tag: 'Internal' } })
  })
})

const two: Vm = { disks: { vda: 'a <- a.1^', vdb: 'b^' } }

const withDefinitions = (
  of: Machine,
  change: (which: 'persistent' | 'live', domain: XmlElement) => XmlElement,
): Machine => {
  const { persistent, live } = of.definitions ?? {}
  return withMachine(of, {
    definitions: {
      persistent: persistent && change('persistent', persistent),
      live: live && change('live', live),
    },
  })
}

const stored = (disk: XmlElement): XmlElement => ({
  ...disk,
  children: disk.children.filter((child) => typeof child === 'string' || child.name !== 'backingStore'),
})

describe('definitions and records', () => {
  it('a chain that libvirt found by probing stays out of the record and of the persistent definition', () => {
    const probed = withDefinitions(vm(two).machine, (which, domain) =>
      which === 'live' ? domain : withDomainDisk(domain, 'vda', stored),
    )
    const { after } = taken(probed, { name: 'm' })
    expect(recorded(after.snapshots.get('m')?.recorded)['vda']).toStrictEqual(['/images/a.1'])
    expect(sources(after.definitions?.persistent)['vda']).toStrictEqual(['/images/a.m', '/images/a.1'])
    expect(sources(after.definitions?.live)['vda']).toStrictEqual(['/images/a.m', '/images/a.1', '/images/a'])
  })

  it('a persistent definition with another source stays as it is', () => {
    const other = withDefinitions(vm(two).machine, (which, domain) =>
      which === 'live'
        ? domain
        : withDomainDisk(domain, 'vdb', (disk) =>
            withChildren(disk, 'source', () => element('source', { file: '/x' })),
          ),
    )
    const { after } = taken(other, { name: 'm' })
    expect(sources(after.definitions?.persistent)).toStrictEqual({
      vda: ['/images/a.m', '/images/a.1', '/images/a'],
      vdb: ['/x'],
    })
    const record = after.snapshots.get('m')?.recorded
    expect(recorded(record)['vdb']).toStrictEqual(['/images/b'])
    expect(recorded(record, 'inactiveDomain')['vdb']).toStrictEqual(['/x'])
  })

  it('a transient domain has no inactive one in the record, and what its process alone has is left out', () => {
    const marked = withDefinitions(vm({ ...two, persistence: 'transient' }).machine, (_, domain) => ({
      ...withDomainDisk(domain, 'vdb', (disk) => ({
        ...withChildren(disk, 'source', (source) => ({ ...source, attributes: { ...source.attributes, index: '1' } })),
        children: [
          ...withChildren(disk, 'source', (source) => ({ ...source, attributes: { ...source.attributes, index: '1' } }))
            .children,
          element('alias', { name: 'virtio-disk1' }),
          element('alias', { name: 'ua-mine' }),
        ],
      })),
      attributes: { type: 'qemu', id: '1' },
    }))
    const record = taken(marked, { name: 'm' }).after.snapshots.get('m')?.recorded
    const domain = record && childOf(record, 'domain')
    expect(record && childOf(record, 'inactiveDomain')).toBeUndefined()
    expect(domain?.attributes).toStrictEqual({ type: 'qemu' })
    const text = domain === undefined ? '' : xmlText(domain)
    expect(text).toContain('<source file="/images/b"/><target dev="vdb" bus="virtio"/><alias name="ua-mine"/>')
    expect(text).not.toContain('<backingStore/>')
  })

  it('of a transient domain it has what the last snapshot froze, and what was found by probing is left out', () => {
    const first = taken(vm({ ...two, persistence: 'transient' }).machine, { name: 'm' }).after
    const second = taken(first, { name: 'n' }).after
    const third = taken(second, { name: 'o' }).after
    const below = (name: string): unknown => recorded(third.snapshots.get(name)?.recorded)['vda']
    expect(below('m')).toStrictEqual(['/images/a.1'])
    expect(below('n')).toStrictEqual(['/images/a.m', '/images/a.1'])
    expect(below('o')).toStrictEqual(['/images/a.n', '/images/a.m', '/images/a.1'])
    expect(sources(third.definitions?.live)['vda']).toHaveLength(5)
  })

  it('shut off, the stored chain stays under an overlay that libvirt makes, and goes where it is handed one', () => {
    const off = vm({ ...two, state: 'shut-off' }).machine
    expect(sources(taken(off, { name: 'm' }).after.definitions?.persistent)).toStrictEqual({
      vda: ['/images/a.m', '/images/a.1', '/images/a'],
      vdb: ['/images/b.m'],
    })
    const path = { ...overlay('/images/b.new') }
    const handed = new Map([
      ['vdb', path.mode === 'external' && path.overlay ? { ...path, overlay: { ...path.overlay, header: 'b' } } : path],
    ])
    expect(sources(taken(off, { name: 'm', disks: handed }).after.definitions?.persistent)).toStrictEqual({
      vda: ['/images/a.m'],
      vdb: ['/images/b.new'],
    })
  })

  it('disks that libvirt knows besides are named and left out, in the order of the definition', () => {
    const cdrom = element('disk', { type: 'file', device: 'cdrom' }, [element('target', { dev: 'hda' })])
    const more = withDefinitions(vm(two).machine, (_, domain) =>
      withChildren(domain, 'devices', (devices) => ({ ...devices, children: [cdrom, ...devices.children] })),
    )
    const plan = taken(more, { name: 'm', disks: new Map([['hda', { mode: 'no' }]]) })
    const snapshot = plan.after.snapshots.get('m')
    const modes = Array.from(recordedDisks(snapshot?.recorded, 'disks'), ([target, { mode }]) => [target, mode])
    expect(modes).toStrictEqual([
      ['hda', 'no'],
      ['vda', 'external'],
      ['vdb', 'external'],
    ])
    expect(snapshot?.disks.get('hda')).toStrictEqual({ mode: 'no' })
    const [{ call } = { call: undefined }] = plan.steps
    const sent =
      call?._tag === 'Libvirt' && 'xml' in call.function.arguments ? xmlText(call.function.arguments.xml) : ''
    expect(sent).toContain('<disk name="hda" snapshot="no"/><disk name="vda" snapshot="external"')
  })

  it('what a revert has noted down in the current snapshot goes, and nothing in any other', () => {
    const reverted: Vm = {
      disks: { vda: 'a <- a.9^; a.2' },
      snapshots: [
        { name: '1', vda: 'a', record: { revertDisks: { vda: 'a.9' } } },
        { name: '2', parent: '1', vda: 'a', record: { revertDisks: { vda: 'a.8' } } },
      ],
      current: '1',
    }
    const revertDisks = (of: Machine, name: string): number =>
      recordedDisks(of.snapshots.get(name)?.recorded, 'revertDisks').size
    const { machine: now } = vm(reverted)
    const kept = taken(now, { name: 'm' }).after
    expect([revertDisks(now, '1'), revertDisks(kept, '1'), revertDisks(kept, '2')]).toStrictEqual([1, 0, 1])
    expect(kept.snapshots.get('m')?.parent).toBe('1')
    expect(revertDisks(taken(now, { name: 'm', metadata: 'none' }).after, '1')).toBe(1)
  })

  it('an overlay on a block device is named as one', () => {
    const device: TakeDisk = {
      mode: 'external',
      overlay: { name: 'lv', location: { _tag: 'BlockDevice', path: '/dev/vg/lv' }, format: 'qcow2' },
    }
    const plan = taken(vm(two).machine, { name: 'm', disks: new Map([['vda', device]]) }, throughLibvirt)
    const persistent = plan.after.definitions?.persistent
    expect(persistent && xmlText(persistent)).toContain(
      '<disk type="block" device="disk"><driver name="qemu" type="qcow2"/><source dev="/dev/vg/lv"/><backingStore type="file"><format type="qcow2"/><source file="/images/a.1"/>',
    )
  })

  it('the overlay of a raw image is qcow2, and what is below is named raw', () => {
    const chain = vm({ disks: { vda: 'a^' } }).machine.disks.get('vda')
    if (chain === undefined) throw new Error('no chain')
    const raw = withImages(chain, new Map(chain.images).set('a', { ...activeImage(chain), format: 'raw' }))
    const of = withDefinitions(
      withMachine(vm({ disks: { vda: 'a^' } }).machine, { disks: new Map([['vda', raw]]) }),
      (_, domain) =>
        withDomainDisk(domain, 'vda', (disk) =>
          withChildren(disk, 'driver', () => element('driver', { name: 'qemu', type: 'raw' })),
        ),
    )
    const { after } = taken(of, { name: 'm' })
    expect(knownImage(after.disks.get('vda') ?? chain, 'a.m').format).toBe('qcow2')
    const persistent = after.definitions?.persistent
    expect(persistent && xmlText(persistent)).toContain(
      '<driver name="qemu" type="qcow2"/><source file="/images/a.m"/><backingStore type="file"><format type="raw"/><source file="/images/a"/></backingStore>',
    )
  })
})

it('without a time the record has none, since only libvirt knows it', () => {
  const record = taken(vm(two).machine, { name: 'm' }).after.snapshots.get('m')?.recorded
  expect(record && childOf(record, 'creationTime')).toBeUndefined()
})
