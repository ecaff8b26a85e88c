import { describe, expect, test } from 'vitest'

import { chainFromDomain, decodeDomainDisks } from '../../src/codec/index.js'
import type { DomainDisk, ImageInfo } from '../../src/codec/index.js'
import { xmlText } from '../../src/model/xml.js'
import { imageOf } from '../../src/model/chain-query.js'
import { captured, capturedIn, left, pictured, right } from './captured.js'

const disksOf = (scene: string): ReadonlyArray<DomainDisk> =>
  right(decodeDomainDisks(captured(`10.0/libvirt/${scene}.xml`)))

const drawn = ({ target, images, end }: Pick<DomainDisk, 'target' | 'images' | 'end'>): string => {
  const names = images.map(({ location, index }) => {
    const path = location !== undefined && 'path' in location ? location.path : '?'
    return index === undefined ? path : `${path}#${index}`
  })
  return `${target}: ${end === 'open' ? '? <- ' : ''}${names.join(' <- ')}`
}

const domain = (...disks: ReadonlyArray<string>): string => `<domain><devices>${disks.join('')}</devices></domain>`

const only = (disk: string): DomainDisk => {
  const [found] = right(decodeDomainDisks(domain(disk)))
  if (found === undefined) throw new Error('no disk')
  return found
}

describe('captured definitions (libvirt 11.3)', () => {
  test.each([
    ['shut-off-never-snapshotted', ['vda: ? <- /images/four-3.qcow2']],
    [
      'running-chain-of-four',
      ['vda: /images/four-0.qcow2#4 <- /images/four-1.qcow2#3 <- /images/four-2.qcow2#2 <- /images/four-3.qcow2#1'],
    ],
    ['running-after-two-snapshots', ['vda: /images/snap-0.qcow2#1 <- /images/snap-0.s1#2 <- /images/snap-0.s2#3']],
    ['shut-off-after-two-snapshots', ['vda: ? <- /images/snap-0.qcow2 <- /images/snap-0.s1 <- /images/snap-0.s2']],
    ['running-over-raw-block-device', ['vda: /dev/loop0#2 <- /images/on-device.qcow2#1']],
    ['after-copy.inactive', ['vda: /images/copied.qcow2']],
    [
      'running-two-disks',
      [
        'vda: /images/two-a-0.qcow2#5 <- /images/two-a-1.qcow2#4 <- /images/two-a-2.qcow2#2',
        'vdb: /images/two-b-0.qcow2#3 <- /images/two-b-1.qcow2#1',
      ],
    ],
  ])('%s', (scene, expected) => {
    expect(disksOf(scene).map(drawn)).toEqual(expected)
  })

  test.each([
    ['during-copy', 'copy', 'terminated', '/images/copied.qcow2'],
    ['during-shallow-copy', 'copy', 'open', '/images/shallow.qcow2'],
    ['during-active-commit', 'active-commit', 'open', '/images/commit-1.qcow2'],
  ])('%s', (scene, job, end, path) => {
    expect(disksOf(scene)[0]?.mirror).toMatchObject({
      ...{ job, end, ready: 'yes' },
      images: [{ location: { _tag: 'File', path } }],
    })
  })

  test('every captured domain is read, and its disk elements are kept whole', () => {
    const scenes = capturedIn('10.0/libvirt', '.xml').filter((name) => !name.startsWith('snapshot-'))
    for (const scene of scenes) {
      for (const disk of right(decodeDomainDisks(captured(`10.0/libvirt/${scene}`)))) {
        expect(disk.mirror === undefined).toBe(!/^during-[^.]*\.xml$/.test(scene))
        expect(right(decodeDomainDisks(domain(xmlText(disk.element))))).toEqual([disk])
      }
    }
  })

  test('a snapshot is no domain', () => {
    expect(left(decodeDomainDisks(captured('10.0/libvirt/snapshot-s1.xml')))).toMatchObject({
      problems: [{ path: '/', actual: 'a domainsnapshot element' }],
    })
  })
})

describe('what a disk says', () => {
  test('flags', () => {
    const disk = only('<disk device="lun" snapshot="no"><target dev="sda"/><readonly/><shareable/><transient/></disk>')
    expect(disk).toMatchObject({
      ...{ device: 'lun', access: 'read-only', sharing: 'shareable', writes: 'discarded', snapshot: 'no' },
      ...{ images: [], end: 'open' },
    })
  })

  test.each([
    ['<source protocol="nbd" name="e"><host name="h" port="10809"/></source>', 'nbd://h:10809/e'],
    ['<source protocol="nbd"><host name="::1" port="1"/></source>', 'nbd://[::1]:1/'],
    ['<source protocol="nbd" name="e"><host transport="unix" socket="/s"/></source>', 'nbd+unix:///e?socket=/s'],
    ['<source protocol="rbd" name="pool/image"><host name="mon"/></source>', 'rbd:pool/image'],
    ['<source protocol="https" name="d.img" query="q=1"><host name="h"/></source>', 'https://h/d.img?q=1'],
  ])('network: %s', (source, uri) => {
    const disk = only(`<disk type="network">${source}<target dev="vda"/></disk>`)
    expect(disk.images[0]?.location).toEqual({ _tag: 'Network', uri })
  })

  test('a volume has no location, its source is kept', () => {
    const [image] = only('<disk type="volume"><source pool="p" volume="v"/><target dev="vda"/></disk>').images
    expect(image).toMatchObject({
      type: 'volume',
      location: undefined,
      source: { attributes: { pool: 'p', volume: 'v' } },
    })
  })

  test('an external data file', () => {
    const store = '<dataStore type="block"><format type="raw"/><source dev="/dev/d"/></dataStore>'
    const [image] = only(`<disk type="file"><source file="/a">${store}</source><target dev="vda"/></disk>`).images
    expect(image?.dataFile).toEqual({ location: { _tag: 'BlockDevice', path: '/dev/d' }, format: 'raw' })
  })

  test('what is missing or unknown is said with its place, all at once', () => {
    const disks = [
      '<disk type="file" device="tape"><source/></disk>',
      '<disk type="block"><source dev="/d"/><target dev="vda"/><mirror job="merge" ready="soon"><source file="/m"/></mirror></disk>',
    ]
    const error = left(decodeDomainDisks(domain(...disks)))
    expect(error._tag === 'ShapeWrong' ? error.problems.map(({ path }) => path) : []).toEqual([
      '/domain/devices/disk[1]/target/@dev',
      '/domain/devices/disk[1]/@device',
      '/domain/devices/disk[1]//source/@file',
      '/domain/devices/disk[2]/mirror/@job',
      '/domain/devices/disk[2]/mirror/@ready',
    ])
  })

  test('names are data: quotes, newlines, entities of XML itself, CDATA, comments', () => {
    const disk = only(
      '<disk type="file"><!-- <target dev="no"/> --><?p <a> ?><source file="/a&amp;&quot;&#10;\u{1F4BE}\'-"/><target dev="vda"/><x><![CDATA[<y>]]></x></disk>',
    )
    expect(disk.images[0]?.location).toEqual({ _tag: 'File', path: '/a&"\n\u{1F4BE}\'-' })
    expect(disk.element.children.at(-1)).toEqual({ name: 'x', attributes: {}, children: ['<y>'] })
  })
})

const info = (filename: string, backing?: string, more: Partial<ImageInfo> = {}): ImageInfo => ({
  filename,
  format: 'qcow2',
  sizeBytes: 65536,
  allocatedBytes: undefined,
  clusterBytes: undefined,
  version: 3,
  backing: backing === undefined ? undefined : { header: backing, resolved: backing, format: 'qcow2' },
  dataFile: undefined,
  encryption: undefined,
  bitmaps: [],
  internalSnapshots: [],
  storage: undefined,
  damage: [],
  ...more,
})

const store = (path: string, inside: string, format = 'qcow2'): string =>
  `<backingStore type="file"><format type="${format}"/><source file="${path}"/>${inside}</backingStore>`

const disk = (path: string, inside: string): DomainDisk =>
  only(`<disk type="file"><driver type="qcow2"/><source file="${path}"/>${inside}<target dev="vda"/></disk>`)

describe('a chain of a definition and the headers', () => {
  const infos = [info('/c', '/b'), info('/a'), info('/b', '/a')]

  test('where they agree there is nothing to say', () => {
    const { chain, findings } = right(chainFromDomain(disk('/c', store('/b', store('/a', '<backingStore/>'))), infos))
    expect(pictured(chain)).toBe('/a <- /b <- /c')
    expect(chain.disk).toBe('vda')
    expect(findings).toEqual([])
  })

  test('an open end goes on by the headers', () => {
    const { chain, findings } = right(chainFromDomain(disk('/c', ''), infos))
    expect(pictured(chain)).toBe('/a <- /b <- /c')
    expect(findings).toEqual([{ _tag: 'GoesOn', image: '/c', below: ['/b', '/a'] }])
  })

  test('a stored backingStore overrides the header', () => {
    const rebased = [info('/c', '/a'), info('/b', '/a'), info('/a')]
    const { chain, findings } = right(chainFromDomain(disk('/c', store('/b', store('/a', ''))), rebased))
    expect(pictured(chain)).toBe('/a <- /b <- /c')
    expect(imageOf(chain, '/c')?.backing).toEqual({ image: '/b', header: '/a', format: 'qcow2' })
    expect(findings).toEqual([{ _tag: 'BackingDiffers', image: '/c', definition: '/b', header: '/a' }])
  })

  test('a definition that ends where the header goes on', () => {
    const { chain, findings } = right(chainFromDomain(disk('/c', '<backingStore/>'), infos))
    expect(pictured(chain)).toBe('/c')
    expect(findings).toEqual([{ _tag: 'BackingDiffers', image: '/c', definition: undefined, header: '/b' }])
  })

  test('another format than qemu-img found, another data file than is stored', () => {
    const dataFile = { name: 'd.raw', layout: 'raw' } as const
    const data = '<dataStore type="file"><format type="raw"/><source file="/other.raw"/></dataStore>'
    const raw = only(
      `<disk type="file"><driver type="raw"/><source file="/x">${data}</source><target dev="vda"/></disk>`,
    )
    expect(right(chainFromDomain(raw, [info('/x', undefined, { dataFile })])).findings).toEqual([
      { _tag: 'FormatDiffers', image: '/x', definition: 'raw', header: 'qcow2' },
      { _tag: 'DataFileDiffers', image: '/x', definition: '/other.raw', header: '/d.raw' },
    ])
  })

  test('the definition tells a format that the header does not record, and what is a device', () => {
    const unrecorded = info('/c', '/dev/b', { backing: { header: '/dev/b', resolved: '/dev/b', format: undefined } })
    const inside = '<backingStore type="block"><format type="raw"/><source dev="/dev/b"/></backingStore>'
    const { chain } = right(
      chainFromDomain(disk('/c', inside), [unrecorded, info('/dev/b', undefined, { format: 'raw' })]),
    )
    expect(imageOf(chain, '/c')?.backing?.format).toBe('raw')
    expect(imageOf(chain, '/dev/b')?.location._tag).toBe('BlockDevice')
  })

  test('what nobody describes, and what the header cannot hold', () => {
    expect(left(chainFromDomain(disk('/c', store('/x', store('/y', ''))), infos))).toEqual({
      _tag: 'LinkWrong',
      problems: [
        { _tag: 'InfoMissing', image: '/x' },
        { _tag: 'InfoMissing', image: '/y' },
      ],
    })
    expect(left(chainFromDomain(disk('/a', store('/b', '<backingStore/>')), infos))).toMatchObject({
      problems: [{ _tag: 'BackingNotRecorded', image: '/a', listed: '/b' }],
    })
    expect(left(chainFromDomain(disk('/c', ''), [info('/c', '/b')]))).toMatchObject({
      problems: [{ _tag: 'InfoMissing', image: '/b' }],
    })
    const volume = only('<disk type="volume"><source pool="p" volume="v"/><target dev="vda"/></disk>')
    expect(left(chainFromDomain(volume, infos))).toMatchObject({
      problems: [{ _tag: 'LocationUnknown', type: 'volume' }],
    })
    const empty = only('<disk device="cdrom"><target dev="sda"/></disk>')
    expect(left(chainFromDomain(empty, infos))).toMatchObject({ problems: [{ _tag: 'LocationUnknown', type: 'none' }] })
  })

  test('headers that lead round in a circle are no chain', () => {
    const circle = [info('/c', '/b'), info('/b', '/c')]
    expect(left(chainFromDomain(disk('/c', ''), circle))._tag).toBe('ModelWrong')
  })
})
