// What a request leaves out: the overlay, its name, the id inside an image.

import { describe, expect, it } from 'vitest'

import { activeImage } from '../../src/model/chain-query.js'
import { isImageName } from '../../src/model/image.js'
import type { Image } from '../../src/model/image.js'
import { withMachine } from '../../src/model/machine.js'
import { withChildren, withDomainDisk } from '../../src/model/record.js'
import { childOf, element, xmlText } from '../../src/model/xml.js'
import { derivedOverlay } from '../../src/operation/take-name.js'

import { refusedTake, taken, throughQemuImg } from './expect-take.js'
import { vm } from './machine.js'

const imageAt = (name: string, path: string): Image => {
  const chain = vm({ disks: { vda: 'a^' } }).machine.disks.get('vda')
  if (chain === undefined || !isImageName(name)) throw new Error('no image')
  return { ...activeImage(chain), name, location: { _tag: 'File', path } }
}

describe('the overlay that is derived', () => {
  it.each([
    ['disk.v1.img', '/images/disk.v1.img', 'disk.v1.monday', '/images/disk.v1.monday'],
    ['disk', '/images/disk', 'disk.monday', '/images/disk.monday'],
    ['disk', '/images.d/disk', 'disk.monday', '/images.d/disk.monday'],
    ['.disk', '/images/.disk', '.monday', '/images/.monday'],
    ['/images/disk.qcow2', '/images/disk.qcow2', '/images/disk.monday', '/images/disk.monday'],
    ['root', '/images/disk.qcow2', '/images/disk.monday', '/images/disk.monday'],
  ])('of %s at %s is %s at %s', (name, path, derived, at) => {
    expect(derivedOverlay(imageAt(name, path), 'monday')).toStrictEqual({
      name: derived,
      location: { _tag: 'File', path: at },
      format: 'qcow2',
    })
  })

  it('of what is no file is none', () => {
    const device: Image = { ...imageAt('a', '/a'), location: { _tag: 'BlockDevice', path: '/dev/vg/a.b' } }
    expect(derivedOverlay(device, 'monday')).toBeUndefined()
  })
})

it('an internal snapshot gets the id after the highest that there is', () => {
  const internalSnapshots = ['7', '2'].map((id) => ({ id, name: `i${id}`, vmStateBytes: 0 }))
  const { machine } = vm({
    disks: { vda: 'a^' },
    state: 'shut-off',
    records: 'none',
    images: { a: { internalSnapshots } },
  })
  const { after } = taken(machine, { name: 'm', disks: new Map([['vda', { mode: 'internal' }]]) }, throughQemuImg)
  const ids = after.disks
    .get('vda')
    ?.images.get('a')
    ?.internalSnapshots.map(({ id }) => id)
  expect(ids).toStrictEqual(['7', '2', '8'])
})

it('a path that only the inactive definition of a record names is taken', () => {
  const { machine } = vm({ disks: { vda: 'a <- a.1^' }, snapshots: [{ name: 's', vda: 'a' }], current: 's' })
  const snapshot = machine.snapshots.get('s')
  if (snapshot?.recorded === undefined) throw new Error('no record')
  const recorded = withChildren(snapshot.recorded, 'inactiveDomain', (domain) =>
    withDomainDisk(domain, 'vda', (disk) =>
      withChildren(disk, 'source', () => element('source', { file: '/images/a.m' })),
    ),
  )
  const changed = withMachine(machine, { snapshots: new Map([['s', { ...snapshot, recorded }]]) })
  expect(refusedTake(changed, { name: 'm' })).toMatchObject({ _tag: 'PathTaken', by: 'snapshot s' })
})

it('a copy that ran into a disk that is left out is not in the record of a transient domain', () => {
  const { machine } = vm({ disks: { vda: 'a^', vdb: 'b^' }, persistence: 'transient' })
  const live = machine.definitions?.live
  const mirrored =
    live &&
    withDomainDisk(live, 'vdb', (disk) => ({
      ...disk,
      children: [...disk.children, element('mirror', { job: 'copy' })],
    }))
  const changed = withMachine(machine, { definitions: { persistent: undefined, live: mirrored } })
  const { after } = taken(changed, { name: 'm', disks: new Map([['vdb', { mode: 'no' }]]) })
  const record = after.snapshots.get('m')?.recorded
  const domain = record && childOf(record, 'domain')
  expect(domain && xmlText(domain)).not.toContain('mirror')
})
