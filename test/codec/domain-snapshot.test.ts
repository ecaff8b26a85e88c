import { deepStrictEqual } from 'node:assert'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { decodeSnapshots, decodeSnapshotXml, deepestElement, encodeSnapshotXml } from '../../src/codec/index.js'
import type { DomainDisk, DomainSnapshot, DomainSnapshotDisk } from '../../src/codec/index.js'
import { captured, capturedIn, left, right } from './captured.js'

const root = '10.0/snapshots'

const snapshotIn = (scene: string, name: string): DomainSnapshot =>
  right(decodeSnapshotXml(captured(`${root}/${scene}/snapshot-${name}.xml`)))

const all: ReadonlyArray<string> = [
  ...capturedIn(root, '').flatMap((scene) =>
    capturedIn(`${root}/${scene}`, '.xml')
      .filter((name) => name.startsWith('snapshot-'))
      .map((name) => `${root}/${scene}/${name}`),
  ),
  '10.0/libvirt/snapshot-s1.xml',
  '10.0/libvirt/snapshot-s2.xml',
]

const where = (image: DomainDisk['images'][number] | undefined): string => {
  if (image?.location === undefined) return '-'
  return 'path' in image.location ? image.location.path.replace('/images/', '') : JSON.stringify(image.location)
}

const told = ({ target, mode, overlay, deletion }: DomainSnapshotDisk): string =>
  `${target} ${mode}${overlay === undefined ? '' : ` ${where(overlay)}:${overlay.format}`}${deletion === 'none' ? '' : '!'}`

const chains = (disks: ReadonlyArray<DomainDisk> | undefined): ReadonlyArray<string> | undefined =>
  disks?.map(({ target, images }) => `${target}: ${images.map(where).join(' <- ')}`)

describe('captured snapshots (libvirt 11.3)', () => {
  test.each([
    ['three', 's1', 'disk-snapshot', 'None', ['vda external three-vda.s1:qcow2', 'vdb external three-vdb.s1:qcow2']],
    ['external-offline', 's2', 'shutoff', 'None', ['vda external off-vda.s2:qcow2', 'vdb external off-vdb.s2:qcow2']],
    [
      'external-with-memory',
      's1',
      'running',
      'External',
      ['vda external memory-vda.s1:qcow2', 'vdb external memory-vdb.s1:qcow2'],
    ],
    ['memory-only', 's1', 'running', 'External', ['vda no', 'vdb no']],
    ['internal-offline', 'i1', 'shutoff', 'None', ['vda internal', 'vdb internal']],
    ['internal-system', 'i1', 'running', 'Internal', ['vda internal', 'vdb internal']],
    ['subset', 's1', 'disk-snapshot', 'None', ['vda external subset-vda.s1:qcow2', 'vdb no']],
    ['manual', 's1', 'disk-snapshot', 'None', ['vda external manual-vda.s1:qcow2', 'vdb manual']],
    [
      'interrupted-deletion',
      's1',
      'disk-snapshot',
      'None',
      ['vda external interrupted-vda.s1:qcow2!', 'vdb external interrupted-vdb.s1:qcow2!'],
    ],
  ])('%s/%s', (scene, name, state, memory, disks) => {
    const snapshot = snapshotIn(scene, name)
    expect(snapshot).toMatchObject({ name, state, memory: { _tag: memory }, revertDisks: [] })
    expect(snapshot.disks.map(told)).toEqual(disks)
  })

  test('what belongs to it: parent, time, memory file, both definitions', () => {
    const second = snapshotIn('reverted', 's2')
    expect(second).toMatchObject({ parent: 's1', creationTime: '1795656133', description: undefined })
    expect(second.revertDisks.map(told)).toEqual([
      'vda external branches-vda.1795656133:qcow2',
      'vdb external branches-vdb.1795656133:qcow2',
    ])
    const definition = ['vda: branches-vda.qcow2 <- branches-vda.s1', 'vdb: branches-vdb.qcow2 <- branches-vdb.s1']
    expect([chains(second.domain), chains(second.inactiveDomain)]).toEqual([definition, definition])
    expect(snapshotIn('external-offline', 's1').inactiveDomain).toBeUndefined()
    expect(snapshotIn('memory-only', 's1').memory).toEqual({ _tag: 'External', path: '/images/alone.s1.mem' })
  })

  test('decode after encode is the identity on all of them', () => {
    expect(all.length).toBeGreaterThan(20)
    for (const path of all) {
      const snapshot = right(decodeSnapshotXml(captured(path)))
      deepStrictEqual(right(decodeSnapshotXml(encodeSnapshotXml(snapshot.element))), snapshot)
    }
  })

  test('the list of a domain', () => {
    const texts = capturedIn(`${root}/three`, '.xml').filter((name) => name.startsWith('snapshot-'))
    const list = right(decodeSnapshots(texts.map((name) => captured(`${root}/three/${name}`))))
    expect(list.map(({ name, parent }) => [name, parent])).toEqual([
      ['s1', undefined],
      ['s2', 's1'],
      ['s3', 's2'],
    ])
  })
})

const minimal = (inside: string, state = 'shutoff'): string =>
  `<domainsnapshot><name>s</name><state>${state}</state>${inside}</domainsnapshot>`

const only = (disk: string): DomainSnapshotDisk | undefined =>
  right(decodeSnapshotXml(minimal(`<disks>${disk}</disks>`))).disks[0]

describe('what a snapshot says', () => {
  test('sources of all types', () => {
    const source = '<source protocol="nbd" name="e"><host name="h" port="1"/></source>'
    expect(only(`<disk name="vda" snapshot="external" type="network">${source}</disk>`)?.overlay?.location).toEqual({
      _tag: 'Network',
      uri: 'nbd://h:1/e',
    })
    const block = '<disk name="vda" type="block"><driver type="raw"/><source dev="/dev/a"/></disk>'
    expect(only(block)).toMatchObject({
      mode: 'external',
      overlay: { location: { _tag: 'BlockDevice', path: '/dev/a' }, format: 'raw' },
    })
    expect(only('<disk name="vda" snapshot="external"/>')?.overlay).toBeUndefined()
    expect(only('<disk name="vda" snapshot="internal"><source file="/a"/></disk>')?.overlay).toBeUndefined()
  })

  test('memory, where it is not said', () => {
    const memory = (text: string): unknown => right(decodeSnapshotXml(text)).memory
    expect(memory(minimal('', 'running'))).toEqual({ _tag: 'Internal' })
    expect(memory(minimal('', 'paused'))).toEqual({ _tag: 'Internal' })
    expect(memory(minimal('', 'disk-snapshot'))).toEqual({ _tag: 'None' })
    expect(memory(minimal(''))).toEqual({ _tag: 'None' })
    expect(memory(minimal('<memory file="/m"/>', 'running'))).toEqual({ _tag: 'External', path: '/m' })
  })

  test('what is missing or unknown is said with its place, all at once', () => {
    const disk = '<disk snapshot="maybe"/><disk name="vda" snapshot="no"/><disk name="vda" snapshot="no"/>'
    const xml = `<domainsnapshot><name>.a</name><parent/><state>crashed</state><memory snapshot="half"/>
      <disks>${disk}</disks><revertDisks><disk/></revertDisks>
      <domain><devices><disk/></devices></domain><inactiveDomain><devices><disk/></devices></inactiveDomain>
    </domainsnapshot>`
    const error = left(decodeSnapshotXml(xml))
    expect(error._tag === 'ShapeWrong' ? error.problems.map(({ path }) => path) : []).toEqual([
      '/domainsnapshot/name',
      '/domainsnapshot/parent/name',
      '/domainsnapshot/state',
      '/domainsnapshot/memory/@snapshot',
      '/domainsnapshot/disks/disk[1]/@name',
      '/domainsnapshot/disks/disk[1]/@snapshot',
      '/domainsnapshot/disks/disk[3]/@name',
      '/domainsnapshot/revertDisks/disk[1]/@name',
      '/domainsnapshot/domain/devices/disk[1]/target/@dev',
      '/domainsnapshot/inactiveDomain/devices/disk[1]/target/@dev',
    ])
  })

  test('memory in a file needs one', () => {
    expect(left(decodeSnapshotXml(minimal('<memory snapshot="external"/>')))).toMatchObject({
      problems: [{ path: '/domainsnapshot/memory/@file' }],
    })
  })

  test('a domain is no snapshot', () => {
    expect(left(decodeSnapshotXml(captured('10.0/libvirt/during-copy.xml')))).toMatchObject({
      problems: [{ path: '/', actual: 'a domain element' }],
    })
  })

  test('which of several is wrong is said', () => {
    expect(left(decodeSnapshots([minimal(''), '<domain/>', minimal('', 'odd')]))).toMatchObject({
      problems: [{ path: 'snapshots[1]/' }, { path: 'snapshots[2]/domainsnapshot/state' }],
    })
    const broken = left(decodeSnapshots([minimal(''), '<domain']))
    expect(broken._tag === 'TextWrong' ? broken.why : '').toMatch(/^snapshot 1: /)
  })
})

describe('hostile input', () => {
  test('names of disks are data', () => {
    const disks = ['__proto__', 'constructor', 'toString']
    const xml = disks.map((name) => `<disk name="${name}" snapshot="no"/>`).join('')
    expect(right(decodeSnapshotXml(minimal(`<disks>${xml}</disks>`))).disks.map(({ target }) => target)).toEqual(disks)
    expect(left(decodeSnapshotXml(minimal('<disks><disk name="a" snapshot="__proto__"/></disks>')))._tag).toBe(
      'ShapeWrong',
    )
  })

  test('depth', () => {
    const deep = '<a>'.repeat(100_000) + '</a>'.repeat(100_000)
    expect(left(decodeSnapshotXml(minimal(deep)))).toMatchObject({
      why: `elements nested deeper than ${deepestElement}`,
    })
    const allowed = '<a>'.repeat(deepestElement - 1) + '</a>'.repeat(deepestElement - 1)
    const snapshot = right(decodeSnapshotXml(minimal(allowed)))
    deepStrictEqual(right(decodeSnapshotXml(encodeSnapshotXml(snapshot.element))), snapshot)
  })

  test('width', () => {
    const disks = Array.from({ length: 20_000 }, (_, index) => `<disk name="d${index}" snapshot="internal"/>`)
    expect(right(decodeSnapshotXml(minimal(`<disks>${disks.join('')}</disks>`))).disks).toHaveLength(20_000)
    const wrong = Array.from({ length: 20_000 }, () => '<disk/>')
    const error = left(decodeSnapshotXml(minimal(`<disks>${wrong.join('')}</disks>`)))
    expect(error._tag === 'ShapeWrong' ? error.problems.length : 0).toBe(20_000)
    const many = left(decodeSnapshots(Array.from({ length: 10 }, () => minimal(`<disks>${wrong.join('')}</disks>`))))
    expect(many._tag === 'ShapeWrong' ? many.problems.length : 0).toBe(200_000)
  })

  test('a text in pieces is one: CDATA, comments, nothing at all', () => {
    const description = 'a<![CDATA[]]>b<!-- no -->c<![CDATA[ <d> ]]>'
    const snapshot = right(decodeSnapshotXml(minimal(`<description>${description}</description><x><![CDATA[]]></x>`)))
    expect(snapshot.description).toBe('abc <d> ')
    expect(snapshot.element.children.at(-1)).toEqual({ name: 'x', attributes: {}, children: [] })
    deepStrictEqual(right(decodeSnapshotXml(encodeSnapshotXml(snapshot.element))), snapshot)
  })

  test('text between elements keeps its place, white space there does not', () => {
    const mixed = right(decodeSnapshotXml(minimal('<x> <!-- no --> a<b/>c<b/> </x>'))).element.children.at(-1)
    const b = { name: 'b', attributes: {}, children: [] }
    expect(mixed).toEqual({ name: 'x', attributes: {}, children: ['  a', b, 'c', b] })
  })

  test('any damage to real text gives a value or an error; a value comes back from its text', () => {
    const cut = fc
      .constantFrom(...all)
      .map(captured)
      .chain((xml) =>
        fc.record({
          xml: fc.constant(xml),
          from: fc.nat(xml.length),
          length: fc.oneof(fc.nat(8), fc.nat(xml.length)),
          by: fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('<![CDATA[', ']]>', '<!--', '-->', '&#10;', '\t')),
        }),
      )
      .map(({ xml, from, length, by }) => xml.slice(0, from) + by + xml.slice(from + length))
    let values = 0
    fc.assert(
      fc.property(cut, (text) => {
        const decoded = decodeSnapshotXml(text)
        if (decoded._tag === 'Left') return
        values += 1
        deepStrictEqual(right(decodeSnapshotXml(encodeSnapshotXml(decoded.right.element))), decoded.right)
      }),
      { numRuns: 1500 },
    )
    expect(values).toBeGreaterThan(100)
  })
})
