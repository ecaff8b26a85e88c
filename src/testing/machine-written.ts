import { element } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { Definitions } from '../model/machine.js'
import type { GuestState } from '../model/guest.js'
import type { Grown, GrownDisk, GrownImage, GrownSnapshot } from './machine-growth.js'

/** The path of an image of a random machine. */
export const pathOfGrown = (name: string): string => `/images/${name}`

/** The path of the memory of a snapshot of a random machine. */
export const memoryOfGrown = (name: string): string => `/images/${name}.memory`

const source = (name: string): XmlElement => element('source', { file: pathOfGrown(name) })

/** The path of an image, itself first. */
const downwards = (disk: GrownDisk, from: string): ReadonlyArray<GrownImage> => {
  const found: Array<GrownImage> = []
  for (let at = disk.images.get(from); at !== undefined; at = disk.images.get(at.backing ?? '')) found.push(at)
  return found
}

interface Depth {
  readonly stored: 'chain' | 'source'
  readonly end: 'terminated' | 'open'
}

const storesOf = (images: ReadonlyArray<GrownImage>, end: Depth['end']): ReadonlyArray<XmlElement> => {
  const isRaw = images.at(-1)?.format === 'raw'
  const last: ReadonlyArray<XmlElement> = end === 'terminated' && !isRaw ? [element('backingStore')] : []
  return images.slice(1).reduceRight((below, image) => {
    const children = [element('format', { type: image.format }), source(image.name), ...below]
    return [element('backingStore', { type: 'file' }, children)]
  }, last)
}

const diskElement = (target: string, images: ReadonlyArray<GrownImage>, { stored, end }: Depth): XmlElement => {
  const [top] = images
  if (top === undefined) throw new Error('unreachable: the image is there')
  return element('disk', { type: 'file', device: 'disk' }, [
    element('driver', { name: 'qemu', type: top.format }),
    source(top.name),
    ...(stored === 'chain' ? storesOf(images, end) : []),
    element('target', { dev: target, bus: 'virtio' }),
  ])
}

/** A small `<domain>` whose disks have these images. */
const domainElement = (
  grown: Grown,
  shown: ReadonlyMap<string, string>,
  depth: Depth & { readonly tag: string },
): XmlElement => {
  const disks = Array.from(shown).flatMap(([target, name]) => {
    const disk = grown.disks.get(target)
    return disk === undefined ? [] : [diskElement(target, downwards(disk, name), depth)]
  })
  return element(depth.tag, { type: 'qemu' }, [
    element('name', {}, ['vm']),
    element('uuid', {}, ['ed3016d3-60da-4c11-81b8-9eed032a75e9']),
    element('memory', { unit: 'KiB' }, ['32768']),
    element('vcpu', { placement: 'static' }, ['1']),
    element('os', {}, [element('type', { arch: 'x86_64', machine: 'pc' }, ['hvm'])]),
    element('devices', {}, disks),
  ])
}

const activesOf = ({ disks }: Grown): ReadonlyMap<string, string> =>
  new Map(Array.from(disks, ([target, { active }]) => [target, active]))

/** What libvirt has written down of a machine. `stored`: whether its persistent definition has the chains or the sources alone. */
export const definitionsOfGrown = (
  grown: Grown,
  of: {
    readonly state: GuestState
    readonly stored: Depth['stored']
    readonly persistence: 'persistent' | 'transient'
  },
): Definitions => {
  const actives = activesOf(grown)
  const { state, stored, persistence } = of
  return {
    persistent:
      persistence === 'transient' ? undefined : domainElement(grown, actives, { tag: 'domain', stored, end: 'open' }),
    live:
      state === 'shut-off'
        ? undefined
        : domainElement(grown, actives, { tag: 'domain', stored: 'chain', end: 'terminated' }),
  }
}

const overlayElement = (target: string, name: string): XmlElement =>
  element('disk', { name: target, snapshot: 'external', type: 'file' }, [
    element('driver', { type: 'qcow2' }),
    source(name),
  ])

const disksElement = ({ modes, overlays }: GrownSnapshot): XmlElement =>
  element(
    'disks',
    {},
    Array.from(modes, ([target, mode]) => {
      const overlay = overlays.get(target)
      return mode === 'external' && overlay !== undefined
        ? overlayElement(target, overlay)
        : element('disk', { name: target, snapshot: mode })
    }),
  )

const revertElement = ({ reverted }: GrownSnapshot): ReadonlyArray<XmlElement> =>
  reverted === undefined
    ? []
    : [
        element(
          'revertDisks',
          {},
          Array.from(reverted, ([target, name]) => overlayElement(target, name)),
        ),
      ]

/** What libvirt has written down of a snapshot. */
export const recordOfGrown = (grown: Grown, one: GrownSnapshot): XmlElement => {
  const depth = { stored: one.state === 'shutoff' ? 'source' : 'chain', end: 'open' } as const
  const inactive = one.state === 'shutoff' ? [] : [domainElement(grown, one.shown, { tag: 'inactiveDomain', ...depth })]
  const memory = {
    external: { snapshot: 'external', file: memoryOfGrown(one.name) },
    internal: { snapshot: 'internal' },
    none: { snapshot: 'no' },
  }[one.memory]
  return element('domainsnapshot', {}, [
    element('name', {}, [one.name]),
    element('state', {}, [one.state]),
    ...(one.parent === undefined ? [] : [element('parent', {}, [element('name', {}, [one.parent])])]),
    element('creationTime', {}, ['1795656132']),
    element('memory', memory),
    disksElement(one),
    ...revertElement(one),
    domainElement(grown, one.shown, { tag: 'domain', ...depth }),
    ...inactive,
  ])
}
