import type { Chain } from '../model/chain.js'
import { activeImage, activePath, imageAt } from '../model/chain-query.js'
import { placeOf } from '../model/header.js'
import type { Image } from '../model/image.js'
import type { Machine } from '../model/machine.js'
import { sourcesOfDomain } from '../model/record.js'
import { pinnedBy } from '../model/saved-pin.js'
import type { PinnedImage, SavedState } from '../model/saved-state.js'
import type { MachinePlan } from './machine-plan.js'

/**
 * What becomes, or has become, of an image that a saved state pins.
 *
 * - `written`: it holds something else. `gone`: no image of the chain is there. `renamed`: it is under another path.
 * - `resized`. `reformatted`: the state knows it in another format. `repointed`: it lies on another image. `not active`: the guest would write to it, and it is not the active image.
 *
 * @since 0.2.0
 */
export type PinChange = 'written' | 'gone' | 'renamed' | 'resized' | 'reformatted' | 'repointed' | 'not active'

/**
 * A pinned image, and what becomes of it.
 *
 * @since 0.2.0
 */
export interface PinConflict {
  readonly disk: string
  readonly path: string
  readonly change: PinChange
}

const backingPlace = (chain: Chain, { backing }: Image): string | undefined => {
  const below = backing === undefined ? undefined : chain.images.get(backing.image)
  return below === undefined ? undefined : placeOf(below)
}

interface OnDisk {
  readonly before: Chain
  readonly after: Chain
  readonly written: ReadonlySet<string>
}

const changeOf = ({ before, after, written }: OnDisk, image: Image): PinChange | undefined => {
  const now = after.images.get(image.name)
  if (now === undefined) return 'gone'
  if (written.has(image.name)) return 'written'
  if (placeOf(now) !== placeOf(image)) return 'renamed'
  if (now.sizeBytes !== image.sizeBytes) return 'resized'
  return backingPlace(before, image) === backingPlace(after, now) ? undefined : 'repointed'
}

/** A guest that would go on here writes to the uppermost of the pinned images, whatever has been laid over it. */
const activeConflict = (of: OnDisk, top: PinnedImage | undefined): ReadonlyArray<PinConflict> => {
  const [was, is] = [placeOf(activeImage(of.before)), placeOf(activeImage(of.after))]
  return top !== undefined && was === top.path && is !== was
    ? [{ disk: of.before.disk, path: top.path, change: 'not active' }]
    : []
}

/** What a plan changes, without how. */
export type Changes = Pick<MachinePlan, 'before' | 'after' | 'parts'>

const onDisk = (plan: Changes, disk: string): OnDisk | undefined => {
  const [before, after] = [plan.before.disks.get(disk), plan.after.disks.get(disk)]
  if (before === undefined || after === undefined) return undefined
  const fates = plan.parts.flatMap((part) => (part.before.disk === disk ? Array.from(part.fates) : []))
  return { before, after, written: new Set(fates.flatMap(([name, of]) => (of.includes('written') ? [name] : []))) }
}

/** The disk that has an image there: that of the pin's own name, or another, whose target has changed since. */
const diskWith = ({ disks }: Machine, disk: string, { path: place }: PinnedImage): string | undefined => {
  const own = disks.get(disk)
  return [...(own === undefined ? [] : [own]), ...disks.values()].find((chain) => imageAt(chain, place) !== undefined)
    ?.disk
}

/** What becomes of one image. One that a disk of the machine should have and that nobody knows may be there by another name. */
const changeOfPin = (plan: Changes, disk: string, pin: PinnedImage): ReadonlyArray<PinConflict> => {
  const { path } = pin
  const at = diskWith(plan.before, disk, pin)
  if (at === undefined) return plan.before.disks.has(disk) ? [{ disk, path, change: 'gone' }] : []
  const of = onDisk(plan, at)
  const image = of === undefined ? undefined : imageAt(of.before, path)
  if (of === undefined || image === undefined) return [{ disk, path, change: 'gone' }]
  const change = changeOf(of, image)
  return change === undefined ? [] : [{ disk, path, change }]
}

/** What a plan does to the images that a saved state pins; nothing, where a restore reads after it what it would have read before. */
export const pinConflicts = (plan: Changes, saved: SavedState): ReadonlyArray<PinConflict> =>
  Array.from(pinnedBy(saved, plan.before)).flatMap(([disk, pins]) => {
    const top = pins.at(-1)
    const of = onDisk(plan, (top && diskWith(plan.before, disk, top)) ?? disk)
    const changed = pins.flatMap((pin) => changeOfPin(plan, disk, pin))
    return [...changed, ...(of === undefined ? [] : activeConflict(of, top))]
  })

/** What a guest that starts on these disks writes to, whatever was saved on them. */
export const startConflicts = ({ disks }: Machine): ReadonlyArray<PinConflict> =>
  Array.from(disks.values(), (chain) => ({ disk: chain.disk, path: placeOf(activeImage(chain)), change: 'written' }))

const against = (image: Image | undefined, pin: PinnedImage): PinChange | undefined => {
  if (image === undefined) return 'gone'
  if (pin.format !== undefined && pin.format !== image.format) return 'reformatted'
  const resized = pin.sizeBytes !== undefined && pin.sizeBytes !== image.sizeBytes
  return resized ? 'resized' : undefined
}

const unfitOn = (chain: Chain, pins: ReadonlyArray<PinnedImage>): ReadonlyArray<PinConflict> => {
  const { disk } = chain
  const found = pins.flatMap((pin): ReadonlyArray<PinConflict> => {
    const change = against(imageAt(chain, pin.path), pin)
    return change === undefined ? [] : [{ disk, path: pin.path, change }]
  })
  const top = pins.at(-1)
  if (found.length > 0 || top === undefined) return found
  if (top.path !== placeOf(activeImage(chain))) return [{ disk, path: top.path, change: 'not active' }]
  const now = activePath(chain).map(placeOf)
  const at = now.length - pins.length
  const wrong = at === 0 ? pins.find(({ path }, index) => now[index] !== path) : pins[0]
  return wrong === undefined ? [] : [{ disk, path: wrong.path, change: 'repointed' }]
}

/** What of the machine is not as a saved state needs it, as far as paths, sizes and headers tell. */
export const unfitPins = (saved: SavedState, machine: Machine): ReadonlyArray<PinConflict> => {
  const pins = pinnedBy(saved, machine)
  return Array.from(sourcesOfDomain(saved.definition).keys()).flatMap((disk): ReadonlyArray<PinConflict> => {
    const chain = machine.disks.get(disk)
    const own = pins.get(disk) ?? []
    if (chain !== undefined) return unfitOn(chain, own)
    const elsewhere = own.find((pin) => diskWith(machine, disk, pin) !== undefined)
    return elsewhere === undefined ? [] : [{ disk, path: elsewhere.path, change: 'not active' }]
  })
}
