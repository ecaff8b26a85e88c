// A revert by hand, and what libvirt makes of it afterwards: the lab's finding D, every sequence on every way to write it down.

import { describe, expect, it } from 'vitest'

import type { Call } from 'backing-chain'
import type { MachineWorld } from 'backing-chain/simulate'
import {
  after,
  destroy,
  diskXml,
  domainXml,
  guest,
  img,
  records,
  redefine,
  remove,
  revert,
  seen,
  start,
  take,
  three,
  updateDevice,
} from './machine-pretend.js'
import { element } from './pretend.js'

const stems = { vda: 'aa', vdb: 'ab' }

const listed = (name: string, suffix: string) =>
  element(
    name,
    {},
    Object.entries(stems).map(([disk, stem]) =>
      element('disk', { name: disk, snapshot: 'external' }, [
        element('driver', { type: 'qcow2' }),
        element('source', { file: `/images/${stem}.${suffix}` }),
      ]),
    ),
  )

/** Snapshot s2 made the current one, in the way that is tried. */
const current = (way: 'plain' | 'revertDisks' | 'disks'): Call =>
  redefine(
    element('domainsnapshot', {}, [
      element('name', {}, ['s2']),
      element('state', {}, ['disk-snapshot']),
      element('parent', {}, [element('name', {}, ['s1'])]),
      listed('disks', way === 'disks' ? 'h' : 's2'),
      ...(way === 'revertDisks' ? [listed('revertDisks', 'h')] : []),
      domainXml({ vda: { path: 'aa.s1', below: ['aa.qcow2'] }, vdb: { path: 'ab.s1', below: ['ab.qcow2'] } }),
    ]),
    'CURRENT',
  )

/** New overlays `.h` on what s2 froze, in the definition and in the record; the overlays of s3 are removed. */
const revertedByHand = (way: 'plain' | 'revertDisks' | 'disks'): MachineWorld =>
  after(
    three(),
    destroy,
    ...Object.entries(stems).flatMap(([disk, stem]) => [
      img('create', '-q', '-f', 'qcow2', '-b', `/images/${stem}.s1`, '-F', 'qcow2', `/images/${stem}.h`),
      updateDevice(diskXml(disk, { path: `${stem}.h` })),
    ]),
    current(way),
    ...Object.values(stems).map((stem): Call => ({ _tag: 'Files', operation: 'remove', path: `/images/${stem}.s3` })),
    start,
  )

const sequences = {
  'take s9, delete s9, revert s3': ['5', take('s9'), '6', remove('s9'), revert('s3')],
  'revert s3': [revert('s3')],
  'delete s3, delete s2, delete s1': [remove('s3'), remove('s2'), remove('s1')],
  'take s9, revert s3, delete s9, delete s2': [take('s9'), revert('s3'), remove('s9'), remove('s2')],
  'take s9, delete s3, delete s2, delete s9': [take('s9'), '5', remove('s3'), remove('s2'), remove('s9')],
} as const satisfies { readonly [name: string]: ReadonlyArray<Call | string> }

const both = (text: string): string => `${text} ${text}`

/** What the guest reads in the end; where libvirt lost a point in time it cannot be started. */
const ends: {
  readonly [Name in keyof typeof sequences]: { readonly whole: string; readonly lostBy: ReadonlyArray<string> }
} = {
  'take s9, delete s9, revert s3': { whole: '12300000', lostBy: ['plain', 'revertDisks'] },
  'revert s3': { whole: '12300000', lostBy: ['plain'] },
  'delete s3, delete s2, delete s1': { whole: '12000000', lostBy: [] },
  'take s9, revert s3, delete s9, delete s2': { whole: '12300000', lostBy: [] },
  'take s9, delete s3, delete s2, delete s9': { whole: '12005000', lostBy: [] },
}

describe.each(['plain', 'revertDisks', 'disks'] as const)('a revert by hand to s2, written down %s', (way) => {
  it('shows s2, and every point in time', () => {
    const machine = revertedByHand(way)
    expect(guest(machine)).toBe(both('12000000'))
    expect(['aa.qcow2', 'aa.s1', 'aa.s2'].map((name) => seen(machine, name))).toStrictEqual([
      '10000000',
      '12000000',
      '12300000',
    ])
    expect(records(machine)[1]).toMatch(
      { plain: / disks\[aa.s2 ab.s2\] dom/, revertDisks: / revert\[aa.h ab.h\] dom/, disks: / disks\[aa.h ab.h\] dom/ }[
        way
      ],
    )
  })

  it.each(Object.entries(sequences).map(([name, calls]) => [name, calls] as const))('then %s', (name, calls) => {
    const found = Object.entries(ends).find(([one]) => one === name)?.[1]
    const lost = found?.lostBy.includes(way) === true
    expect(guest(after(revertedByHand(way), ...calls))).toBe(lost ? both('cannot start') : both(found?.whole ?? ''))
  })
})
