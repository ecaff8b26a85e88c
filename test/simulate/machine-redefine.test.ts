// REDEFINE and METADATA_ONLY: the lab's findings A, logs X6, Z3, Z4.

import { describe, expect, it } from 'vitest'

import type { XmlElement } from 'backing-chain'
import { endOfMachine, runMachine } from 'backing-chain/simulate'
import {
  after,
  destroy,
  does,
  domainXml,
  files,
  record,
  records,
  redefine,
  refusalOf,
  remove,
  revert,
  take,
  three,
} from './machine-pretend.js'
import { element } from './pretend.js'

interface Record {
  readonly parent?: string
  readonly state?: string
  readonly disks?: ReadonlyArray<string>
  readonly revertDisks?: ReadonlyArray<string>
  readonly domain?: XmlElement | undefined
}

const text = (name: string, content: string): XmlElement => element(name, {}, [content])

const disks = (name: string, suffixes: ReadonlyArray<string> | undefined): ReadonlyArray<XmlElement> =>
  suffixes === undefined
    ? []
    : [
        element(
          name,
          {},
          suffixes.map((path, index) =>
            element('disk', { name: index === 0 ? 'vda' : 'vdb', snapshot: 'external' }, [
              element('driver', { type: 'qcow2' }),
              element('source', { file: `/images/${path}` }),
            ]),
          ),
        ),
      ]

const base = domainXml({ vda: { path: 'aa.s1', below: ['aa.qcow2'] }, vdb: { path: 'ab.s1', below: ['ab.qcow2'] } })

const xml = (name: string, of: Record): XmlElement => {
  const { parent, state = 'disk-snapshot', domain = base } = of
  return element('domainsnapshot', {}, [
    text('name', name),
    text('state', state),
    ...(parent === undefined ? [] : [element('parent', {}, [text('name', parent)])]),
    ...disks('disks', of.disks ?? [`aa.${name}`, `ab.${name}`]),
    ...disks('revertDisks', of.revertDisks),
    ...('domain' in of && of.domain === undefined ? [] : [domain]),
  ])
}

describe.each([
  ['running', three()],
  ['shut off', after(three(), destroy)],
])('REDEFINE, %s', (_, machine) => {
  it('replaces the whole of a record, and touches no file', () => {
    const domain = domainXml({ vda: { path: 'aa.x' }, vdb: { path: 'ab.y' } })
    const done = does(
      machine,
      redefine(xml('s2', { parent: 's1', disks: ['p', 'q'], revertDisks: ['r', 's'], domain })),
    )
    expect(record(done, 's2')).toBe('s2: disk-snapshot parent=s1 disks[p q] revert[r s] dom[aa.x | ab.y]')
    expect([files(done), done.current]).toStrictEqual([files(machine), 's3'])
    expect(record(does(done, redefine(xml('s2', { parent: 's1' }))), 's2')).toBe(
      's2: disk-snapshot parent=s1 disks[aa.s2 ab.s2] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
    )
  })

  it('moves a snapshot to another parent', () => {
    expect(record(does(machine, redefine(xml('s3', { parent: 's1' }))), 's3')).toMatch(/parent=s1/)
    expect(record(does(machine, redefine(xml('s3', {}))), 's3')).toMatch(/parent=-/)
  })

  it('keeps a domain that is left out, but not an inactive one', () => {
    const done = does(machine, redefine(xml('s2', { parent: 's1', domain: undefined })))
    expect(record(done, 's2')).toMatch(/dom\[aa.s1 aa.qcow2 \| ab.s1 ab.qcow2\]/)
    expect(done.snapshots.get('s2')?.inactiveDomain).toBeUndefined()
  })

  it('makes up the disks that are left out', () => {
    expect(record(does(machine, redefine(xml('s2', { parent: 's1', disks: ['p'] }))), 's2')).toMatch(/disks\[p ab.s2\]/)
    expect(record(does(machine, redefine(xml('s2', { parent: 's1', disks: [] }))), 's2')).toMatch(
      /disks\[aa.s2 ab.s2\]/,
    )
  })

  it('with CURRENT moves the current one, which forgets what a revert gave it', () => {
    const done = does(machine, redefine(xml('s3', { parent: 's2', revertDisks: ['r', 's'] })))
    expect(record(done, 's3')).toMatch(/revert\[r s\]/)
    const moved = does(done, redefine(xml('s2', { parent: 's1', revertDisks: ['t', 'u'] }), 'CURRENT'))
    expect(moved.current).toBe('s2')
    expect(record(moved, 's3')).not.toMatch(/revert/)
    expect(record(moved, 's2')).toMatch(/revert\[t u\]/)
  })

  it.each([
    ['an unknown parent', xml('s3', { parent: 'nope' }), 'invalid argument: parent nope for moment s3 not found'],
    ['a cycle', xml('s1', { parent: 's3' }), 'invalid argument: parent s3 would create cycle to s1'],
    ['itself', xml('s1', { parent: 's1' }), 'invalid argument: cannot set moment s1 as its own parent'],
    [
      'another state',
      xml('s2', { parent: 's1', state: 'shutoff' }),
      'invalid argument: cannot change between disk only and full system in snapshot s2',
    ],
    [
      'memory',
      xml('s2', { parent: 's1', state: 'running' }),
      'invalid argument: cannot change between online and offline snapshot state in snapshot s2',
    ],
    ['no domain', xml('s9', { domain: undefined }), 'internal error: missing domain in snapshot'],
    [
      'another domain',
      xml('s2', { domain: domainXml({}, 'other') }),
      "unsupported configuration: Target domain name 'other' does not match source 'vm'",
    ],
    [
      'another uuid',
      xml('s2', { domain: domainXml({}, 'vm', 'w') }),
      'invalid argument: definition for snapshot s2 must use uuid u',
    ],
  ])('says of %s', (_name, given, said) => {
    expect(refusalOf(machine, redefine(given))).toBe(said)
  })

  it('builds the tree anew, parents first [Z4]', () => {
    const gone = after(machine, remove('s1', 'metadata'), remove('s2', 'metadata'), remove('s3', 'metadata'))
    expect([records(gone), gone.current]).toStrictEqual([[], undefined])
    expect(refusalOf(gone, redefine(xml('s2', { parent: 's1' })))).toBe(
      'invalid argument: parent s1 for moment s2 not found',
    )
    const first = domainXml({ vda: { path: 'aa.qcow2' }, vdb: { path: 'ab.qcow2' } })
    const again = after(gone, redefine(xml('s1', { domain: first })), redefine(xml('s2', { parent: 's1' })))
    expect(again.current).toBeUndefined()
    expect(record(does(again, take('s6')), 's6')).toMatch(/parent=- /)
    expect(does(again, redefine(xml('s2', { parent: 's1' }), 'CURRENT')).current).toBe('s2')
  })
})

it('an inactive definition that is wrong misleads a revert [lab B]', () => {
  const then = domainXml({ vda: { path: 'aa.gone' }, vdb: { path: 'ab.gone' } })
  const given = xml('s2', { parent: 's1' })
  const stale = { ...given, children: [...given.children, { ...then, name: 'inactiveDomain' }] }
  const machine = does(three(), redefine(stale))
  expect(record(machine, 's2')).toMatch(/ inact\[aa.gone \| ab.gone\]$/)
  expect(refusalOf(machine, revert('s2'))).toBe(
    "Failed: unsupported configuration: source for disk 'vda' is not a regular file; refusing to generate external snapshot name",
  )
})

describe('a chain that somebody shortened by hand', () => {
  const commit = (disk: string, stem: string) =>
    ({
      _tag: 'Libvirt',
      function: {
        call: 'virDomainBlockCommit',
        arguments: { domain: 'vm', disk, top: `/images/${stem}.s2`, base: `/images/${stem}.s1`, bandwidth: 0 },
        flags: ['VIR_DOMAIN_BLOCK_COMMIT_DELETE'],
      },
    }) as const

  it('is mended by METADATA_ONLY and a redefinition, so that libvirt goes on by itself [lab b1]', () => {
    const trace = runMachine(three(), [
      { call: commit('vda', 'aa'), until: { _tag: 'LibvirtJob', disk: 'vda', status: 'completed' } },
      { call: commit('vdb', 'ab'), until: { _tag: 'LibvirtJob', disk: 'vdb', status: 'completed' } },
    ])
    const short = does(endOfMachine(trace), remove('s2', 'metadata'))
    expect(refusalOf(short, remove('s1'))).toBe(
      'invalid argument: could not find base disk source in disk source chain',
    )
    const mended = does(short, redefine(xml('s3', { parent: 's1' })))
    expect(records(does(mended, remove('s1')))).toStrictEqual([
      's3: disk-snapshot parent=- disks[aa.s3 ab.s3] dom[aa.qcow2 | ab.qcow2]',
    ])
    expect(record(does(mended, revert('s1')), 's1')).toMatch(/revert/)
  })
})
