import { describe, expect, it } from 'vitest'

import type { NewImage } from '../../src/index.js'
import type { Machine } from '../../src/model/machine.js'
import {
  recordedDisks,
  recordedSources,
  sourcesOfDomain,
  withChildren,
  withDomainDisk,
} from '../../src/model/record.js'
import type { MachinePlan } from '../../src/plan/machine-plan.js'
import { element, xmlText } from '../../src/model/xml.js'
import type { XmlElement } from '../../src/model/xml.js'

import { lanes, pictures, plannedRevert, refusedRevert, reverted, throughQemuImg } from './expect-revert.js'
import { vm } from './machine.js'
import type { Built, Vm } from './machine.js'

const record = (machine: Machine, name: string): XmlElement | undefined => machine.snapshots.get(name)?.recorded
const overlay = (machine: Machine, name: string, disk = 'vda'): string | undefined =>
  recordedDisks(record(machine, name), 'disks').get(disk)?.path

/** The XML that a plan hands to a libvirt function. */
const handed = ({ steps }: MachinePlan, name: 'virDomainDefineXMLFlags' | 'virDomainSnapshotCreateXML') =>
  steps.flatMap(({ call }) =>
    call._tag === 'Libvirt' && call.function.call === name ? [call.function.arguments.xml] : [],
  )

const two: Vm = {
  disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.1' },
  ],
  current: 's2',
}

const withDomain = (built: Built, change: (domain: XmlElement) => XmlElement): Built => {
  const { definitions } = built.machine
  if (definitions?.persistent === undefined) throw new Error('no definition')
  const persistent = change(definitions.persistent)
  return { ...built, machine: { ...built.machine, definitions: { ...definitions, persistent } } }
}

const note = element('description', {}, ['changed since'])
const noted = (domain: XmlElement): XmlElement => ({ ...domain, children: [...domain.children, note] })

describe('the definition', () => {
  it('as now: nothing changes but the image, and what was stored below it', () => {
    const plan = reverted(withDomain(vm(two), noted), { to: 's1' })
    const [defined] = handed(plan, 'virDomainDefineXMLFlags')
    expect(defined).toStrictEqual(plan.after.definitions?.persistent)
    expect(sourcesOfDomain(defined).get('vda')).toStrictEqual({
      type: 'file',
      path: '/images/v.s1',
      format: 'qcow2',
      below: [],
      end: 'open',
    })
    expect(defined?.children).toContainEqual(note)
    expect(plan.after.definitions?.live).toBeUndefined()
  })

  it('U09, as taken: what was changed since is gone', () => {
    const plan = reverted(withDomain(vm(two), noted), { to: 's1', definition: 'as taken' })
    const [defined] = handed(plan, 'virDomainDefineXMLFlags')
    expect(defined?.name).toBe('domain')
    expect(defined?.children).not.toContainEqual(note)
    expect(sourcesOfDomain(defined).get('vda')?.path).toBe('/images/v.s1')
  })

  it('as taken: a disk that was left out, or came later, is no older than it is now', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- v.1[-c--]^', vdb: 'w[ab--] <- w.1[-c--]^', vdc: 'x[a---]^' },
      snapshots: [
        { name: 's1', vda: 'v', vdb: 'no', record: { domain: { vdb: 'w' } } },
        { name: 's2', parent: 's1', vda: 'v', vdb: 'w' },
        { name: 's3', parent: 's2', vdc: 'inside x' },
      ],
      current: 's2',
    })
    const plan = plannedRevert(of, { to: 's1', definition: 'as taken' })
    const sources = sourcesOfDomain(plan.after.definitions?.persistent)
    expect(Array.from(sources, ([target, { path }]) => [target, path])).toStrictEqual([
      ['vda', '/images/v.s1'],
      ['vdb', '/images/w.1'],
    ])
    expect([...plan.after.disks.keys()]).toStrictEqual(['vda', 'vdb'])
    expect(plan.assumes).toContainEqual({ _tag: 'DiskGone', snapshot: 's1', disks: ['vdc'] })
  })

  it('of a guest that starts shows the whole new chain', () => {
    const { after } = reverted(vm(two), { to: 's1', guest: 'running' })
    expect(sourcesOfDomain(after.definitions?.live).get('vda')).toMatchObject({
      path: '/images/v.s1',
      below: [{ path: '/images/v' }],
      end: 'terminated',
    })
  })

  it('is refused where a disk that stays would not, or says more of the old image than where it is', () => {
    const source =
      (target: string, change: (source: XmlElement) => XmlElement) =>
      (domain: XmlElement): XmlElement =>
        withDomainDisk(domain, target, (disk) => withChildren(disk, 'source', change))
    const built = vm({
      disks: { ...two.disks, vdb: 'w[a---]^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'no' }],
      current: 's1',
    })
    const other = source('vdb', (one) => ({ ...one, attributes: { file: '/images/elsewhere' } }))
    expect(refusedRevert(withDomain(built, other), { to: 's1' })).toMatchObject({
      _tag: 'NotThisWay',
      why: 'the persistent definition has another image for disk vdb',
    })
    const more = source('vda', (one) => ({ ...one, children: [element('seclabel', { model: 'dac' })] }))
    expect(refusedRevert(withDomain(built, more), { to: 's1' })).toMatchObject({
      _tag: 'DiskRefused',
      disk: 'vda',
      refusal: { _tag: 'NotThisWay' },
    })
  })

  it('is refused where a restart would take a disk away', () => {
    const built = vm({ ...two, disks: { ...two.disks, vdb: 'w[a---]^' } })
    const without = withDomain(built, (domain) => ({
      ...domain,
      children: domain.children.map((child) =>
        typeof child === 'object' && child.name === 'devices'
          ? { ...child, children: child.children.slice(0, 1) }
          : child,
      ),
    }))
    expect(refusedRevert(without, { to: 's1' })).toMatchObject({ _tag: 'NotThisWay', via: 'libvirt' })
    const text = (domain: XmlElement): string => xmlText(domain)
    expect(text(without.machine.definitions?.persistent ?? element('none'))).not.toContain('vdb')
  })
})

describe('the records', () => {
  it('name the new image as the one that the guest writes since this snapshot', () => {
    const plan = reverted(vm(two), { to: 's1' })
    const [handedRecord] = handed(plan, 'virDomainSnapshotCreateXML')
    expect(handedRecord).toStrictEqual(record(plan.after, 's1'))
    expect(overlay(plan.after, 's1')).toBe('/images/v.s1')
    expect(recordedSources(handedRecord).get('vda')?.path).toBe('/images/v')
    expect(recordedSources(handedRecord, 'inactiveDomain').get('vda')?.path).toBe('/images/v')
    expect(record(plan.after, 's2')).toStrictEqual(record(plan.before, 's2'))
  })

  it('lose what an earlier revert has noted down, here and where the guest comes from', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- (v.1[-c--] <- v.2[--d-], v.9[---e]^)' },
      snapshots: [
        { name: 's1', vda: 'v', record: { disks: { vda: 'v.1' }, revertDisks: { vda: 'v.9' } } },
        { name: 's2', parent: 's1', vda: 'v.1', record: { revertDisks: { vda: 'v.8' } } },
      ],
      current: 's1',
    })
    const { after } = reverted(of, { to: 's2' })
    for (const name of ['s1', 's2']) expect(recordedDisks(record(after, name), 'revertDisks').size).toBe(0)
    expect(overlay(after, 's2')).toBe('/images/v.s2')
    expect(overlay(after, 's1')).toBe('/images/v.1')
  })

  it('are mended where they name other files than those that hold the point in time', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- v.2[--d-]^' },
      snapshots: [{ name: 's2', vda: 'v', record: { domain: { vda: 'v <- v.1' } } }],
      current: 's2',
    })
    const { after } = reverted(of, { to: 's2' })
    expect(recordedSources(record(after, 's2')).get('vda')).toMatchObject({ path: '/images/v', below: [] })
  })

  it('of other snapshots are written anew where they name a file that goes', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-]^', vdb: 'w[ab--] <- w.1[-c--]^' },
      snapshots: [
        { name: 's1', vda: 'v', vdb: 'w' },
        { name: 's2', parent: 's1', vda: 'v.1', vdb: 'no' },
      ],
      current: 's2',
    })
    const plan = reverted(of, { to: 's1', present: 'discard' })
    expect(recordedSources(record(plan.before, 's2')).get('vdb')?.path).toBe('/images/w.1')
    expect(recordedSources(record(plan.after, 's2')).get('vdb')?.path).toBe('/images/w.s1')
    expect(lanes(plan).filter((line) => line.endsWith('--redefine'))).toHaveLength(1)
  })

  it('W03: a disk that was left out stays as it is', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- v.1[-c--]^', vdb: 'w[ab--]^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'no' }],
      current: 's1',
    })
    const plan = reverted(of, { to: 's1' })
    expect(pictures(plan.after)).toStrictEqual({ vda: 'v <- (v.1, v.s1^)', vdb: 'w^' })
    expect(plan.parts.map(({ before }) => before.disk)).toStrictEqual(['vda'])
    expect(sourcesOfDomain(plan.after.definitions?.persistent).get('vdb')?.path).toBe('/images/w')
  })
})

describe('where libvirt loses data', () => {
  it('B09: revert s2, take s4, delete s4, revert s3: the image that holds s3 stays', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- v.1[-c--] <- (v.2[--d-], v.9[---e]^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1', record: { disks: { vda: 'v.2' } } },
        { name: 's3', parent: 's2', vda: 'v.2', record: { disks: { vda: 'v.3' } } },
      ],
      current: 's2',
    })
    for (const present of ['keep', 'discard'] as const) {
      const plan = reverted(of, { to: 's3', present })
      expect(lanes(plan).filter((line) => line.includes('/images/v.2 '))).toHaveLength(1)
      expect(lanes(plan)).not.toContain('vda: unlink -- /images/v.2')
      expect(overlay(plan.after, 's3')).toBe('/images/v.s3')
    }
  })

  it('B13: an image that alone holds the present, after a full pull, stays', () => {
    const of = vm({
      disks: { vda: 'v[ab--] <- v.1[-c--]; v.2[abcd]^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1', record: { disks: { vda: 'v.2' } } },
      ],
      current: 's2',
    })
    expect(reverted(of, { to: 's1' }).after.disks.get('vda')?.images.has('v.2')).toBe(true)
  })
})

describe('the names of new images', () => {
  const names = (of: Vm, reserved: ReadonlyArray<string> = []): ReadonlyArray<string> =>
    reverted(vm({ ...of, state: 'shut-off' }), { to: 's1', reserved }).steps.flatMap(({ call }) =>
      call._tag === 'QemuImg' && call.argv[1] === 'create' ? [call.argv.at(-2) ?? ''] : [],
    )

  it('W09: are free of every image, header, record, memory and reserved path', () => {
    const memory = { _tag: 'External', path: '/images/v.s1-3' } as const
    const of: Vm = {
      disks: { vda: 'v[ab--] <- v.s1[-c--]^' },
      snapshots: [
        { name: 's1', vda: 'v', record: { disks: { vda: 'v.s1-1' } } },
        { name: 's2', parent: 's1', vda: 'v', record: { domain: { vda: 'v.s1-2' } }, memory },
      ],
    }
    expect(names(of)).toStrictEqual(['/images/v.s1-4'])
    expect(names(of, ['/images/v.s1-4', '/images/./v.s1-5'])).toStrictEqual(['/images/v.s1-6'])
  })

  it('of two disks are not the same', () => {
    const of: Vm = {
      disks: { vda: 'x.a[a---] <- x.a1[-b--]^', vdb: 'x.b[a---] <- x.b1[-b--]^' },
      snapshots: [{ name: 's1', vda: 'x.a', vdb: 'x.b' }],
    }
    expect(names(of)).toStrictEqual(['/images/x.s1', '/images/x.s1-1'])
  })

  it('replace the last suffix alone, and none of a folder or of a hidden file', () => {
    const at = (path: string): ReadonlyArray<string> =>
      names({
        disks: { vda: 'v[ab--] <- v.1[-c--]^' },
        snapshots: [{ name: 's1', vda: 'v' }],
        images: { v: { location: { _tag: 'File', path } } },
      })
    expect(at('/images/disk.v1.img')).toStrictEqual(['/images/disk.v1.s1'])
    expect(at('/images.d/disk')).toStrictEqual(['/images.d/disk.s1'])
    expect(at('/images/.img')).toStrictEqual(['/images/.img.s1'])
  })

  const bare: Vm = { ...two, state: 'shut-off', records: 'none' }
  const stored = (headers: readonly [string, string], plan: { overlays?: ReadonlyMap<string, NewImage> } = {}) => {
    const [first, second] = headers
    const of = vm({ ...bare, disks: { vda: 'v[ab--] <- (v.0[---f], v.1[-c--] <- v.2[--d-]^)' } })
    const chain = of.machine.disks.get('vda')
    const images = new Map(chain?.images)
    for (const [name, header] of [['v.0', first] as const, ['v.1', second] as const]) {
      const image = images.get(name)
      if (image?.backing !== undefined) images.set(name, { ...image, backing: { ...image.backing, header } })
    }
    if (chain === undefined) throw new Error('no disk')
    const disks = new Map([['vda', { ...chain, images }]])
    const made = reverted({ ...of, machine: { ...of.machine, disks } }, { to: 's1', ...plan }, throughQemuImg)
    return made.after.disks.get('vda')?.images.get(made.after.disks.get('vda')?.active ?? '')?.backing?.header
  }

  it('backing strings are relative where those of the other overlays are', () => {
    expect(stored(['v', '../images/v'])).toBe('v')
    expect(stored(['v', '/images/v'])).toBe('/images/v')
    expect(stored(['/images/v', '/images/v'])).toBe('/images/v')
  })

  it('backing strings of given images are as given', () => {
    const image = { name: 'n', location: { _tag: 'File', path: '/images/n' }, format: 'qcow2', header: './v' } as const
    expect(stored(['/images/v', '/images/v'], { overlays: new Map([['vda', image]]) })).toBe('./v')
  })

  it('an image that was made before is only looked at', () => {
    const image = { name: 'n', location: { _tag: 'File', path: '/images/n' }, format: 'qcow2', header: 'v' } as const
    const made = { ...image, made: 'before', sizeBytes: 262144 } as const
    const plan = plannedRevert(vm(bare), { to: 's1', overlays: new Map([['vda', made]]) }, throughQemuImg)
    expect(lanes(plan)).toStrictEqual(['vda: qemu-img info --backing-chain --output=json /images/n'])
    expect(plan.assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vda',
      assumption: { _tag: 'HoldsNothing', image: 'n', path: '/images/n' },
    })
  })

  it('the size of the disk is the one of the point in time', () => {
    const grown = vm({ ...bare, disks: { vda: 'v[ab] <- v.1[-c--] <- v.2[--d-]^' } })
    const plan = reverted(grown, { to: 's1' }, throughQemuImg)
    expect(lanes(plan)[0]).toBe('vda: qemu-img create -f qcow2 -F qcow2 -b /images/v /images/v.s1 131072')
  })

  it('bitmaps stop following the guest', () => {
    const bitmaps = [{ name: 'c1', granularityBytes: 65536, state: 'recording' }] as const
    const plan = reverted(vm({ ...bare, images: { 'v.2': { bitmaps } } }), { to: 's1' }, throughQemuImg)
    expect(plan.assumes).toContainEqual({
      _tag: 'OfDisk',
      disk: 'vda',
      assumption: { _tag: 'BitmapsStop', image: 'v.2', bitmaps: ['c1'] },
    })
  })
})
