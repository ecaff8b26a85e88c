import * as E from 'fp-ts/lib/Either.js'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { addOverlay, commit, copy, pull, xmlText } from '../../src/index.js'
import type { Hypervisor, Plan, XmlElement } from '../../src/index.js'
import { decodeDomainDisks } from '../../src/codec/index.js'
import { atRest, offline, planned, refused } from './expect-plan.js'

const captured = readFileSync(
  new URL('../fixtures/captured/10.0/libvirt/shut-off-after-two-snapshots.xml', import.meta.url),
  'utf8',
)

/** The `<disk>` of vda as libvirt stores it after live snapshots, with its `<backingStore>`. */
const storedDisk = (): XmlElement => {
  const disks = decodeDomainDisks(captured)
  const disk = E.isRight(disks) ? disks.right.find(({ target }) => target === 'vda') : undefined
  if (disk === undefined) throw new Error('no disk vda')
  return disk.element
}

const named = (of: XmlElement, name: string): XmlElement | undefined =>
  of.children.find((child): child is XmlElement => typeof child !== 'string' && child.name === name)

const mended = (plan: Plan): XmlElement => {
  for (const { call } of plan.steps)
    if (call._tag === 'Libvirt' && call.function.call === 'virDomainUpdateDeviceFlags')
      return call.function.arguments.xml
  throw new Error('the definition is not mended')
}

const otherTarget = (disk: XmlElement): XmlElement['children'] =>
  disk.children.map((child) =>
    typeof child !== 'string' && child.name === 'target'
      ? { ...child, attributes: { dev: 'vdb', bus: 'virtio' } }
      : child,
  )

const managed: Hypervisor = { ...offline, definition: { domain: 'guest', disk: storedDisk() } }
const before = atRest('base[abcd] <- a[-e--] <- snap-0.s2[--f-]^')
const fresh = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const

describe('a plan that changes a chain outside libvirt mends the persistent definition', () => {
  it('which stores a backing chain, and would override the headers', () => {
    expect(named(storedDisk(), 'backingStore')).toBeDefined()
  })

  it.each([
    ['commit', planned(commit, before, { top: 'a' }, managed), '/images/snap-0.s2'],
    ['active commit', planned(commit, before, { top: 'snap-0.s2', base: 'a', end: 'pivot' }, managed), '/images/a'],
    ['pull', planned(pull, before, { into: 'snap-0.s2' }, managed), '/images/snap-0.s2'],
    ['copy', planned(copy, before, { to: fresh, depth: 'full', end: 'pivot' }, managed), '/images/new'],
    ['overlay', planned(addOverlay, before, { overlay: fresh }, managed), '/images/new'],
  ] as const)('%s', (_, plan, path) => {
    const disk = mended(plan)
    expect(named(disk, 'backingStore')).toBeUndefined()
    expect(named(disk, 'source')?.attributes).toStrictEqual({ file: path })
    expect(named(disk, 'target')).toStrictEqual(named(storedDisk(), 'target'))
    expect(xmlText(disk)).toContain('<driver name="qemu" type="qcow2"')
    expect(plan.assumes.map(({ _tag }) => _tag)).not.toContain('StartsWith')
  })

  it('after the chain was seen, and before any file goes', () => {
    const plan = planned(commit, before, { top: 'snap-0.s2', base: 'a', end: 'pivot', leftovers: 'remove' }, managed)
    const what = plan.steps.map(
      ({ call, until }) => until?._tag ?? (call._tag === 'Files' ? call.operation : call._tag),
    )
    expect(what).toStrictEqual(['QemuImg', 'ChainIs', 'Libvirt', 'remove'])
  })

  it('and a format or a kind of storage that changes', () => {
    const to = {
      name: 'lv',
      location: { _tag: 'BlockDevice', path: '/dev/vg/lv' },
      format: 'raw',
      sizeBytes: 262144,
    } as const
    const disk = mended(planned(copy, before, { to, depth: 'full', end: 'pivot' }, managed))
    expect(disk.attributes['type']).toBe('block')
    expect(named(disk, 'source')?.attributes).toStrictEqual({ dev: '/dev/vg/lv' })
    expect(named(disk, 'driver')?.attributes['type']).toBe('raw')
  })

  it('or refuses, where its source says more than where the image is', () => {
    const disk = storedDisk()
    const slices = { name: 'slices', attributes: {}, children: [] }
    const children = disk.children.map((child) =>
      typeof child !== 'string' && child.name === 'source' ? { ...child, children: [slices] } : child,
    )
    const hypervisor: Hypervisor = { ...offline, definition: { domain: 'guest', disk: { ...disk, children } } }
    expect(refused(addOverlay, before, { overlay: fresh }, hypervisor)).toMatchObject({ _tag: 'NotThisWay' })
    expect(named(mended(planned(pull, before, { into: 'snap-0.s2' }, managed)), 'target')).toBeDefined()
    const other: Hypervisor = {
      ...offline,
      definition: { domain: 'guest', disk: { ...disk, children: otherTarget(disk) } },
    }
    expect(refused(pull, before, { into: 'snap-0.s2' }, other)).toMatchObject({ _tag: 'NotThisWay' })
    const elsewhere = atRest('base[abcd] <- top[--f-]^')
    expect(refused(addOverlay, elsewhere, { overlay: fresh }, managed)).toMatchObject({ _tag: 'NotThisWay' })
    const none: Hypervisor = { ...offline, definition: { domain: 'guest', disk: { ...disk, children: [] } } }
    expect(refused(pull, before, { into: 'snap-0.s2' }, none)).toMatchObject({ _tag: 'NotThisWay' })
  })

  it('or refuses where a saved state would be resumed on the old chain, and says so where nobody looked', () => {
    const saved = (managedSave: 'none' | 'present'): Hypervisor => ({
      ...offline,
      definition: { domain: 'guest', disk: storedDisk(), managedSave },
    })
    expect(refused(addOverlay, before, { overlay: fresh }, saved('present'))).toMatchObject({ _tag: 'NotThisWay' })
    const tags = (hypervisor: Hypervisor) =>
      planned(addOverlay, before, { overlay: fresh }, hypervisor).assumes.map(({ _tag }) => _tag)
    expect(tags(managed)).toContain('NoManagedSave')
    expect(tags(saved('none'))).not.toContain('NoManagedSave')
  })

  it('and touches nothing but the stored backing chain where the active image stays', () => {
    const kept = mended(planned(pull, before, { into: 'snap-0.s2' }, managed))
    const children = storedDisk().children.filter((child) => typeof child === 'string' || child.name !== 'backingStore')
    expect(kept).toStrictEqual({ ...storedDisk(), children })
  })

  it('and says what it relies on where nobody gave it the definition', () => {
    expect(planned(pull, before, { into: 'snap-0.s2' }, offline).assumes).toContainEqual({
      _tag: 'StartsWith',
      image: 'snap-0.s2',
      path: '/images/snap-0.s2',
      from: 2,
    })
  })
})
