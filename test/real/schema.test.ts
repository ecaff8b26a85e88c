// What we write about snapshots, held against libvirt's own schemas.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { decodeSnapshotXml, encodeSnapshotXml } from '../../src/codec/index.js'
import { parsedXml } from '../../src/codec/xml-document.js'
import {
  withoutRevertDisks,
  withRecordedOverlay,
  withRecordedParent,
  withRecordedPath,
} from '../../src/model/record.js'
import { xmlText } from '../../src/model/xml.js'
import type { XmlElement } from '../../src/model/xml.js'
import { captured, capturedIn, right } from '../codec/captured.js'

type Schema = 'domainsnapshot' | 'domain'

const schemaOf = (name: Schema): string => `/usr/share/libvirt/schemas/${name}.rng`

/** What xmllint has against a text; nothing where it is valid. */
const objections = (xml: string, name: Schema = 'domainsnapshot'): string => {
  const run = spawnSync('xmllint', ['--noout', '--relaxng', schemaOf(name), '-'], { input: xml, encoding: 'utf8' })
  if (run.error !== undefined) throw run.error
  return run.status === 0 ? '' : run.stderr
}

const root = '10.0/snapshots'

const files = [
  ...capturedIn(root, '').flatMap((scene) =>
    capturedIn(`${root}/${scene}`, '.xml').map((file) => `${root}/${scene}/${file}`),
  ),
  ...capturedIn('10.0/libvirt', '.xml').map((file) => `10.0/libvirt/${file}`),
].filter((file) => /\/snapshot-[^/]*$/.test(file))

const recordOf = (file: string): XmlElement => right(decodeSnapshotXml(captured(file))).element

const written = (file: string): string => encodeSnapshotXml(recordOf(file))

describe('domainsnapshot.rng of libvirt 11.3', () => {
  test('is there', () => {
    expect(existsSync(schemaOf('domainsnapshot'))).toBe(true)
    expect(files.length).toBeGreaterThan(20)
  })

  test.each(files)('takes what we write of %s', (file) => {
    expect(objections(written(file))).toBe('')
  })

  test.each([
    ["snapshot='external'", "snapshot='partial'"],
    ['<state>disk-snapshot</state>', '<state>asleep</state>'],
    ["<memory snapshot='no'/>", "<memory snapshot='external'/>"],
    ['<disks>', '<disks><disc/>'],
    ["<source file='/images", "<source path='/images"],
  ])('would have refused %s as %s', (from, to) => {
    const file = `${root}/three/snapshot-s2.xml`
    const broken = captured(file).replace(from, to)
    expect(broken).not.toBe(captured(file))
    expect(objections(captured(file))).toBe('')
    expect(objections(broken)).toContain('fails to validate')
  })

  const place = { format: 'qcow2' as const, location: { _tag: 'BlockDevice' as const, path: '/dev/vg/a' } }
  const changes: ReadonlyArray<readonly [string, (record: XmlElement) => XmlElement]> = [
    ['another source', (record) => withRecordedPath(record, 'vda', [place])],
    ['another overlay', (record) => withRecordedOverlay(record, 'vda', place)],
    ['another parent', (record) => withRecordedParent(record, 'a & <b>')],
    ['no parent', (record) => withRecordedParent(record, undefined)],
    ['nothing from a revert', withoutRevertDisks],
  ]

  test.each(changes)('takes a record that we have changed: %s', (_name, change) => {
    for (const file of files.filter((one) => /(reverted|interrupted-deletion|internal-system)/.test(one)))
      expect(objections(encodeSnapshotXml(change(recordOf(file))))).toBe('')
  })
})

const definitions = files
  .map((file) => file.replace(/[^/]*$/, ''))
  .filter((folder, at, all) => folder.includes(root) && all.indexOf(folder) === at)
  .flatMap((folder) => ['domain.xml', 'domain.inactive.xml'].map((file) => `${folder}${file}`))

describe('domain.rng of libvirt 11.3', () => {
  test.each(definitions)('takes what we write of %s', (file) => {
    expect(objections(xmlText(right(parsedXml(captured(file)))), 'domain')).toBe('')
  })
})
