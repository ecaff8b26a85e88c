// What we write about snapshots, held against libvirt's own schemas.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { redefine } from '../../src/index.js'
import type { Machine, MachinePlan, MachineStep } from '../../src/index.js'
import { decodeSnapshotXml, encodeSnapshotXml } from '../../src/codec/index.js'
import { parsedXml } from '../../src/codec/xml-document.js'
import {
  withoutRevertDisks,
  withRecordedOverlay,
  withRecordedParent,
  withRecordedPath,
} from '../../src/model/record.js'
import { withMachine } from '../../src/model/machine.js'
import { element, xmlText } from '../../src/model/xml.js'
import type { XmlElement } from '../../src/model/xml.js'
import { captured, capturedIn, right } from '../codec/captured.js'
import { forMachinePlans, operations, ways, type Asking } from '../laws/machine-ways.js'
import { capturedMachine, capturedMachines } from './machine/captured-machine.js'

type Schema = 'domainsnapshot' | 'domain'

const schemaOf = (name: Schema): string => `/usr/share/libvirt/schemas/${name}.rng`

/** What xmllint has against a text; nothing where it is valid. */
const objections = (xml: string, name: Schema = 'domainsnapshot'): string => {
  const run = spawnSync('xmllint', ['--noout', '--relaxng', schemaOf(name), '-'], { input: xml, encoding: 'utf8' })
  if (run.error !== undefined) throw run.error
  return run.status === 0 ? '' : run.stderr
}

interface Text {
  readonly schema: Schema
  readonly xml: string
  /** The call that it is for. */
  readonly what: string
}

/** What xmllint has against many texts, each read once. */
const allObjections = (texts: ReadonlyArray<Text>): ReadonlyArray<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'bc-rng-'))
  try {
    return (['domainsnapshot', 'domain'] as const).flatMap((schema) => {
      const ours = Array.from(new Map(texts.flatMap((one) => (one.schema === schema ? [[one.xml, one.what]] : []))))
      const files = ours.map(([xml = ''], index) => {
        const file = join(folder, `${schema}-${String(index)}`)
        writeFileSync(file, xml)
        return file
      })
      const run = spawnSync('xmllint', ['--noout', '--relaxng', schemaOf(schema), ...files], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      })
      if (run.error !== undefined) throw run.error
      const failing = ours.filter((_, index) => run.stderr.includes(`${files[index] ?? ''} fails to validate`))
      if (files.length > 0 && run.status !== 0 && failing.length === 0) throw new Error(run.stderr)
      return failing.map(([xml = '', what = '']) => `${what}: ${objections(xml, schema)}\n${xml}`)
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A device is valid where a domain with it is. */
const aroundDevice = (device: XmlElement): XmlElement =>
  element('domain', { type: 'qemu' }, [
    element('name', {}, ['vm']),
    element('memory', {}, ['32768']),
    element('os', {}, [element('type', {}, ['hvm'])]),
    element('devices', {}, [device]),
  ])

/** The XML that a step hands to libvirt. */
const textOf = ({ call }: Pick<MachineStep, 'call'>): ReadonlyArray<Text> => {
  if (call._tag !== 'Libvirt') return []
  const { function: of } = call
  const what = `${of.call} ${of.flags.join('|')}`
  if (of.call === 'virDomainSnapshotCreateXML')
    return [{ what, schema: 'domainsnapshot', xml: encodeSnapshotXml(of.arguments.xml) }]
  if (of.call === 'virDomainDefineXMLFlags') return [{ what, schema: 'domain', xml: xmlText(of.arguments.xml) }]
  return of.call === 'virDomainUpdateDeviceFlags'
    ? [{ what, schema: 'domain', xml: xmlText(aroundDevice(of.arguments.xml)) }]
    : []
}

const textsOf = ({ steps, finally: cleanups }: MachinePlan): ReadonlyArray<Text> =>
  [...steps, ...cleanups.map(({ step }) => step)].flatMap(textOf)

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

/** The machine with what libvirt has written down of every disk wrong, so that there is something to mend. */
const misrecorded = (machine: Machine): Machine => {
  const place = { location: { _tag: 'File', path: '/images/elsewhere' }, format: 'qcow2' } as const
  const snapshots = Array.from(machine.snapshots, ([name, snapshot]) => {
    const recorded =
      snapshot.recorded &&
      Array.from(machine.disks.keys()).reduce(
        (record, disk) => withRecordedPath(record, disk, [place]),
        snapshot.recorded,
      )
    return [name, { ...snapshot, recorded }] as const
  })
  return withMachine(machine, { snapshots: new Map(snapshots) })
}

const redefining: Asking = (machine, host) => fc.constant(() => redefine(misrecorded(machine), host))
const asked = { ...operations, redefine: redefining }
const createXml = 'virDomainSnapshotCreateXML'

describe('what plans hand to libvirt', () => {
  /** The calls with XML that plans of an operation make at least. */
  const expected: Readonly<
    Record<Exclude<keyof typeof asked, 'extract' | 'save' | 'restore' | 'drop'>, ReadonlyArray<string>>
  > = {
    take: [createXml],
    delete: [createXml, 'virDomainUpdateDeviceFlags'],
    revert: [createXml, 'virDomainDefineXMLFlags'],
    'change a chain': [createXml, 'virDomainUpdateDeviceFlags'],
    rename: [createXml, 'virDomainUpdateDeviceFlags'],
    forget: [createXml],
    redefine: [createXml],
    export: [createXml],
  }

  test.each(['take', 'delete', 'revert', 'change a chain', 'rename', 'forget', 'redefine', 'export'] as const)(
    '%s: on random machines',
    (operation) => {
      const texts: Array<Text> = []
      forMachinePlans({ asking: asked[operation], way: ways.libvirt, runs: 300 }, (plan) =>
        texts.push(...textsOf(plan)),
      )
      const calls = new Set(texts.map(({ what }) => what.split(' ')[0]))
      expect(Array.from(calls)).toEqual(expect.arrayContaining([...expected[operation]]))
      expect(allObjections(texts)).toEqual([])
    },
  )

  test.each(capturedMachines)('on the captured machine %s', (scene) => {
    const machine = capturedMachine(scene)
    const texts: Array<Text> = []
    const samples = Object.values(asked).flatMap((asking) =>
      fc.sample(asking(machine, ways.libvirt.host), { numRuns: 60, seed: 1 }),
    )
    for (const planned of samples) {
      const plan = planned()
      if (plan._tag === 'Right') texts.push(...textsOf(plan.right))
    }
    expect(texts.length).toBeGreaterThan(5)
    expect(allObjections(texts)).toEqual([])
  })
})
