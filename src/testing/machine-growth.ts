/** A snapshot inside an image, and what the image stored when it was taken. */
export interface GrownInside {
  readonly name: string
  readonly pattern: string
}

/** One image. Those of a disk are in the order in which they were made. */
export interface GrownImage {
  readonly name: string
  readonly backing: string | undefined
  readonly format: 'raw' | 'qcow2'
  readonly pattern: string
  readonly inside: ReadonlyArray<GrownInside>
}

export interface GrownDisk {
  readonly images: ReadonlyMap<string, GrownImage>
  readonly active: string
  readonly made: number
}

/**
 * One snapshot. `held`: the image that has each disk, frozen or with the point in time inside. `shown`: the active images when it
 * was taken. `overlays`, `reverted`: what libvirt has written down in `<disks>` and `<revertDisks>`.
 */
export interface GrownSnapshot {
  readonly name: string
  readonly parent: string | undefined
  readonly state: 'running' | 'paused' | 'shutoff' | 'disk-snapshot'
  readonly memory: 'none' | 'external' | 'internal'
  readonly modes: ReadonlyMap<string, 'external' | 'internal' | 'manual' | 'no'>
  readonly shown: ReadonlyMap<string, string>
  readonly overlays: ReadonlyMap<string, string>
  readonly reverted: ReadonlyMap<string, string> | undefined
}

/** A machine on its way: disks by target, snapshots by name. */
export interface Grown {
  readonly disks: ReadonlyMap<string, GrownDisk>
  readonly snapshots: ReadonlyMap<string, GrownSnapshot>
  readonly current: string | undefined
  readonly taken: number
}

/** Something that has happened to a machine; numbers choose among what there is then. */
export type Growth =
  | {
      readonly _tag: 'Take'
      readonly kind: 'outside' | 'inside'
      readonly modes: ReadonlyArray<'external' | 'manual' | 'no'>
      readonly state: GrownSnapshot['state']
    }
  | {
      readonly _tag: 'Revert'
      readonly to: number
      readonly by: 'libvirt' | 'hand'
      readonly present: 'keep' | 'discard'
    }
  | { readonly _tag: 'Write'; readonly disk: number; readonly cells: string }
  | { readonly _tag: 'Forget'; readonly snapshot: number }
  | { readonly _tag: 'Attach' }
  | { readonly _tag: 'Grow'; readonly disk: number }

const targets = ['vda', 'vdb', 'vdc'] as const

const letters = Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')

const choose = <A>(all: Iterable<A>, choice: number): A | undefined => {
  const list = Array.from(all)
  return list[choice % Math.max(1, list.length)]
}

const withDisk = (grown: Grown, target: string, disk: GrownDisk): Grown => ({
  ...grown,
  disks: new Map(grown.disks).set(target, disk),
})

const withImage = (disk: GrownDisk, image: GrownImage): GrownDisk => ({
  ...disk,
  images: new Map(disk.images).set(image.name, image),
})

const activeOf = (disk: GrownDisk): GrownImage => {
  const active = disk.images.get(disk.active)
  if (active === undefined) throw new Error('unreachable: the active image is there')
  return active
}

/** A new disk with one image, which stores something everywhere. */
const attached = (grown: Grown, format: GrownImage['format'], at: number): Grown => {
  const target = targets[grown.disks.size]
  if (target === undefined) return grown
  const name = `${target.slice(2)}0`
  const pattern = (letters[at] ?? 'z').repeat(3)
  const image: GrownImage = { name, backing: undefined, format, pattern, inside: [] }
  return withDisk(grown, target, { images: new Map([[name, image]]), active: name, made: 1 })
}

/** The machine of the beginning: disks by the formats of their bases. */
export const seedling = (formats: ReadonlyArray<GrownImage['format']>): Grown =>
  formats.reduce<Grown>((grown, format, at) => attached(grown, format, at), {
    disks: new Map(),
    snapshots: new Map(),
    current: undefined,
    taken: 0,
  })

/** A new active image over one of the disk's images. */
const overlaid = (target: string, disk: GrownDisk, backing: string): GrownDisk => {
  const name = `${target.slice(2)}${String(disk.made)}`
  const pattern = '-'.repeat(disk.images.get(backing)?.pattern.length ?? 0)
  const image: GrownImage = { name, backing, format: 'qcow2', pattern, inside: [] }
  return { ...withImage(disk, image), active: name, made: disk.made + 1 }
}

const modeOf = (
  { kind, modes }: Growth & { readonly _tag: 'Take' },
  disk: GrownDisk,
  at: number,
): 'external' | 'internal' | 'manual' | 'no' => {
  if (kind === 'outside') return modes[at] ?? 'external'
  return activeOf(disk).format === 'qcow2' ? 'internal' : 'no'
}

const frozen = (disk: GrownDisk, name: string): GrownDisk => {
  const active = activeOf(disk)
  return withImage(disk, { ...active, inside: [...active.inside, { name, pattern: active.pattern }] })
}

/** What libvirt notes down at a revert for the next one, cleared from the current snapshot. */
const withoutReverted = (grown: Grown): Grown => {
  const last = grown.current === undefined ? undefined : grown.snapshots.get(grown.current)
  return last === undefined
    ? grown
    : { ...grown, snapshots: new Map(grown.snapshots).set(last.name, { ...last, reverted: undefined }) }
}

const take = (grown: Grown, event: Growth & { readonly _tag: 'Take' }): Grown => {
  const name = `s${String(grown.taken + 1)}`
  const modes = new Map(Array.from(grown.disks).map(([target, disk], at) => [target, modeOf(event, disk, at)]))
  const all = Array.from(modes.values())
  if (!all.includes('external') && !(all.includes('internal') && !all.includes('no'))) return grown
  const disks = new Map(
    Array.from(grown.disks, ([target, disk]) => {
      if (modes.get(target) === 'external') return [target, overlaid(target, disk, disk.active)]
      return [target, modes.get(target) === 'internal' ? frozen(disk, name) : disk]
    }),
  )
  const ran = event.state === 'running' || event.state === 'paused'
  const state = event.kind === 'inside' && !ran ? 'shutoff' : event.state
  const overlays = Array.from(disks).flatMap(([target, { active }]) =>
    modes.get(target) === 'external' ? [[target, active] as const] : [],
  )
  const taken: GrownSnapshot = {
    name,
    parent: grown.current,
    state,
    memory: !ran ? 'none' : event.kind === 'inside' ? 'internal' : 'external',
    modes,
    shown: new Map(Array.from(grown.disks, ([target, { active }]) => [target, active])),
    overlays: new Map(overlays),
    reverted: undefined,
  }
  const snapshots = new Map(withoutReverted(grown).snapshots).set(name, taken)
  return { disks, snapshots, current: name, taken: grown.taken + 1 }
}

/** True where nobody needs an image besides the guest: no overlay, no snapshot, no record of one. */
const isUnneeded = (grown: Grown, target: string, image: GrownImage): boolean => {
  const images = Array.from(grown.disks.get(target)?.images.values() ?? [])
  return (
    image.inside.length === 0 &&
    image.backing !== undefined &&
    images.every(({ backing }) => backing !== image.name) &&
    Array.from(grown.snapshots.values()).every(({ shown }) => shown.get(target) !== image.name)
  )
}

const dropped = (disk: GrownDisk, name: string): GrownDisk => {
  const images = new Map(disk.images)
  images.delete(name)
  return { ...disk, images }
}

/** The disks with new overlays over what a snapshot froze; the present is dropped where that is asked and nobody needs it. */
const revertedDisks = (grown: Grown, to: GrownSnapshot, present: 'keep' | 'discard'): Grown['disks'] =>
  new Map(
    Array.from(grown.disks, ([target, disk]) => {
      const held = to.shown.get(target)
      if (to.modes.get(target) !== 'external' || held === undefined) return [target, disk]
      const isFree = present === 'discard' && isUnneeded(grown, target, activeOf(disk))
      const now = overlaid(target, disk, held)
      return [target, isFree ? dropped(now, disk.active) : now]
    }),
  )

/** True where libvirt's own revert does what is right, and nothing else. */
const isFit = (grown: Grown, to: GrownSnapshot): boolean => {
  const last = grown.snapshots.get(grown.current ?? '')
  const unlinked = last?.reverted ?? last?.overlays
  return Array.from(grown.disks).every(
    ([target, disk]) =>
      to.modes.get(target) === 'external' &&
      unlinked?.get(target) === disk.active &&
      isUnneeded(grown, target, activeOf(disk)),
  )
}

const revertOutside = (grown: Grown, to: GrownSnapshot, event: Growth & { readonly _tag: 'Revert' }): Grown => {
  const own = event.by === 'libvirt' && isFit(grown, to)
  const disks = revertedDisks(grown, to, own ? 'discard' : event.present)
  const actives = new Map(
    Array.from(disks).flatMap(([target, { active }]) =>
      to.modes.get(target) === 'external' ? [[target, active] as const] : [],
    ),
  )
  const cleared = own ? grown : withoutReverted(grown)
  const isParent = Array.from(grown.snapshots.values()).some(({ parent }) => parent === to.name)
  const now = cleared.snapshots.get(to.name) ?? to
  const noted: GrownSnapshot =
    own && isParent ? { ...now, reverted: actives } : { ...now, overlays: actives, reverted: undefined }
  return { ...grown, disks, snapshots: new Map(cleared.snapshots).set(to.name, noted), current: to.name }
}

/** Loads what is inside, where nothing but the present shows through the image. */
const revertInside = (grown: Grown, to: GrownSnapshot): Grown => {
  const disks = new Map(grown.disks)
  for (const [target, mode] of to.modes) {
    const disk = grown.disks.get(target)
    if (disk === undefined || mode !== 'internal') continue
    const active = activeOf(disk)
    const saved = active.inside.find(({ name }) => name === to.name)
    const isRead = Array.from(disk.images.values()).some(({ backing }) => backing === active.name)
    if (saved === undefined || isRead) return grown
    disks.set(target, withImage(disk, { ...active, pattern: saved.pattern }))
  }
  return { ...withoutReverted(grown), disks, current: to.name }
}

const revert = (grown: Grown, event: Growth & { readonly _tag: 'Revert' }): Grown => {
  const to = choose(grown.snapshots.values(), event.to)
  if (to === undefined) return grown
  const isInside = Array.from(to.modes.values()).includes('internal')
  return isInside ? revertInside(grown, to) : revertOutside(grown, to, event)
}

const write = (grown: Grown, { disk: choice, cells }: Growth & { readonly _tag: 'Write' }, letter: string): Grown => {
  const [target, disk] = choose(grown.disks, choice) ?? []
  if (target === undefined || disk === undefined) return grown
  const active = activeOf(disk)
  const pattern = Array.from(active.pattern, (old, at) => {
    const cell = cells[at] ?? '-'
    return cell === '-' ? old : cell.replace('x', letter)
  }).join('')
  return withDisk(grown, target, withImage(disk, { ...active, pattern }))
}

/** Takes away the record of a snapshot and nothing else. */
const forget = (grown: Grown, choice: number): Grown => {
  const gone = choose(grown.snapshots.values(), choice)
  if (gone === undefined || Array.from(gone.modes.values()).includes('internal')) return grown
  const snapshots = new Map<string, GrownSnapshot>()
  for (const [name, one] of grown.snapshots)
    if (name !== gone.name) snapshots.set(name, one.parent === gone.name ? { ...one, parent: gone.parent } : one)
  return { ...grown, snapshots, current: grown.current === gone.name ? gone.parent : grown.current }
}

const grow = (grown: Grown, choice: number): Grown => {
  const [target, disk] = choose(grown.disks, choice) ?? []
  if (target === undefined || disk === undefined) return grown
  const active = activeOf(disk)
  if (active.inside.length > 0) return grown
  const more = active.format === 'raw' ? '0' : '-'
  return withDisk(grown, target, withImage(disk, { ...active, pattern: `${active.pattern}${more}` }))
}

/** The machine after one more thing has happened, the `at`-th. */
export const grownBy = (grown: Grown, event: Growth, at: number): Grown => {
  switch (event._tag) {
    case 'Take':
      return take(grown, event)
    case 'Revert':
      return revert(grown, event)
    case 'Write':
      return write(grown, event, letters[(at + targets.length) % letters.length] ?? 'z')
    case 'Forget':
      return forget(grown, event.snapshot)
    case 'Attach':
      return attached(grown, 'qcow2', at)
    case 'Grow':
      return grow(grown, event.disk)
  }
}
