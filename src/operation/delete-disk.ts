import * as E from 'fp-ts/lib/Either.js'

import type { Chain } from '../model/chain.js'
import { activePath, overlayIndex } from '../model/chain-query.js'
import { knownReaders } from '../model/image.js'
import type { Image } from '../model/image.js'
import { withMachine } from '../model/machine.js'
import type { Machine } from '../model/machine.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { Plan, Point } from '../plan/plan.js'
import { refuse } from '../plan/refusal.js'
import type { AcceptableTag, Refusal } from '../plan/refusal.js'
import { commit } from './commit.js'
import { withPart } from './machine-definition.js'
import { deviceOf } from './machine-device.js'
import { hypervisorAtRest, hypervisorOf } from './machine-hypervisor.js'
import type { ImageDevice } from './machine-request.js'
import { pull } from './pull.js'
import { removeImages, unreadAmong } from './remove-images.js'

/** One disk of a machine, and which of its images nobody needs to hold a point in time any more. */
export interface DiskDeletion {
  readonly machine: Machine
  readonly host: MachineHost
  readonly disk: string
  /** Images that only snapshots to be deleted need. */
  readonly doomed: ReadonlySet<string>
  /** The points in time that stay. */
  readonly points: ReadonlyArray<Point>
  readonly direction: 'commit' | 'pull' | 'auto'
  readonly leftovers: 'remove' | 'keep'
  readonly accept: ReadonlyArray<AcceptableTag>
  readonly short: 'refuse' | 'grow'
  readonly devices: ReadonlyArray<ImageDevice>
}

/** The plans so far, one after the other, and the machine after them. */
export interface DiskPlans {
  readonly machine: Machine
  readonly points: ReadonlyArray<Point>
  readonly plans: ReadonlyArray<{ readonly plan: Plan; readonly hypervisor: Hypervisor }>
}

/** An image that stays, with the doomed ones right below it, base first. */
interface Reader {
  readonly image: Image
  readonly below: readonly [Image, ...ReadonlyArray<Image>]
}

const chainOf = ({ machine }: { readonly machine: Machine }, disk: string): Chain => {
  const chain = machine.disks.get(disk)
  if (chain === undefined) throw new Error(`unreachable: no disk ${JSON.stringify(disk)}`)
  return chain
}

const doomedBelow = (chain: Chain, image: Image, doomed: ReadonlySet<string>): ReadonlyArray<Image> => {
  const found: Array<Image> = []
  for (let at = image.backing?.image; at !== undefined && doomed.has(at);) {
    const below = chain.images.get(at)
    if (below === undefined) break
    found.push(below)
    at = below.backing?.image
  }
  return found.reverse()
}

/** Every image that stays and reads a doomed one directly; off the active path first, for what is on it may go down last. */
const readersOf = (chain: Chain, doomed: ReadonlySet<string>): ReadonlyArray<Reader> => {
  const onPath = new Set(activePath(chain).map(({ name }) => String(name)))
  const readers = Array.from(chain.images.values()).flatMap((image): ReadonlyArray<Reader> => {
    const [first, ...rest] = doomed.has(image.name) ? [] : doomedBelow(chain, image, doomed)
    return first === undefined ? [] : [{ image, below: [first, ...rest] }]
  })
  const isOff = ({ image }: Reader): boolean => !onPath.has(image.name)
  return [...readers.filter(isOff), ...readers.filter((reader) => !isOff(reader))]
}

/** Work on the active path is the guest's QEMU's, or a daemon's in its place; work beside it is qemu-img's. */
const executorOf = (of: DiskDeletion, at: DiskPlans, image: Image): Hypervisor => {
  const path = activePath(chainOf(at, of.disk))
  const live = at.machine.state !== 'shut-off' || of.host.via === 'storage-daemon'
  const rests = live && !path.some(({ name }) => name === image.name)
  return rests ? hypervisorAtRest(at.machine, of.host) : hypervisorOf(at.machine, of.host, of.disk)
}

const after = (at: DiskPlans, plan: Plan, hypervisor: Hypervisor): DiskPlans => ({
  machine:
    plan.operation === 'remove'
      ? withMachine(at.machine, { disks: new Map(at.machine.disks).set(plan.after.disk, plan.after) })
      : withPart(at.machine, plan, hypervisor),
  points: plan.points.map(({ point, after: image }) => ({ point, image })),
  plans: [...at.plans, { plan, hypervisor }],
})

const commonOf = (of: DiskDeletion, at: DiskPlans) => ({
  points: at.points,
  leftovers: of.leftovers,
  accept: of.accept,
})

const pullInto = (of: DiskDeletion, at: DiskPlans, reader: Reader): E.Either<Refusal, DiskPlans> => {
  const chain = chainOf(at, of.disk)
  const base = chain.images.get(reader.below[0].name)?.backing?.image
  const hypervisor = executorOf(of, at, reader.image)
  const request = { into: reader.image.name, ...(base === undefined ? {} : { base }), ...commonOf(of, at) }
  const plan = pull(chain, request, hypervisor)
  return E.isLeft(plan) ? plan : E.right(after(at, plan.right, hypervisor))
}

const commitFrom = (of: DiskDeletion, at: DiskPlans, reader: Reader): E.Either<Refusal, DiskPlans> => {
  const chain = chainOf(at, of.disk)
  const hypervisor = executorOf(of, at, reader.image)
  const end = reader.image.name === chain.active ? { end: 'pivot' as const } : {}
  const base = reader.below[0].name
  const room = deviceOf(of.devices, { disk: of.disk, image: base })
  const request = { top: reader.image.name, base, short: of.short, ...end, ...room, ...commonOf(of, at) }
  const plan = commit(chain, request, hypervisor)
  return E.isLeft(plan) ? plan : E.right(after(at, plan.right, hypervisor))
}

const isReadElsewhere = (chain: Chain, name: string): boolean => {
  const image = chain.images.get(name)
  return image !== undefined && knownReaders(image).length > 0
}

/** Takes out what nobody reads: leaves of branches that nobody needs. */
const dropUnread = (of: DiskDeletion, at: DiskPlans): E.Either<Refusal, DiskPlans> => {
  const chain = chainOf(at, of.disk)
  const needed = new Set(at.points.map(({ image }) => image))
  const isFree = (name: string): boolean => !needed.has(name) && !isReadElsewhere(chain, name)
  const names = unreadAmong(chain, new Set(Array.from(of.doomed).filter(isFree)))
  if (names.length === 0) return E.right(at)
  const hypervisor = hypervisorOf(at.machine, of.host, of.disk)
  const plan = removeImages(chain, { images: names, ...commonOf(of, at) }, hypervisor)
  return E.isLeft(plan) ? plan : E.right(after(at, plan.right, hypervisor))
}

/** The one of these readers that may go down: nobody else reads what it would write over. */
const lastOf = (readers: ReadonlyArray<Reader>): ReadonlyMap<string, Reader> => {
  const last = new Map<string, Reader>()
  for (const reader of readers) last.set(reader.below[0].name, reader)
  return last
}

const sharedRefusal = (chain: Chain, { image, below }: Reader): Refusal => {
  const overlays = overlayIndex(chain)
  const inside = new Set([image.name, ...below.map(({ name }) => name)].map(String))
  const others = below.flatMap(({ name }) => overlays.get(name) ?? []).filter(({ name }) => !inside.has(name))
  const readers = others.map(({ name }) => ({ _tag: 'Overlay', image: name }) as const)
  const [first, ...rest] = readers
  if (first === undefined) throw new Error('unreachable: somebody else reads it')
  return refuse({ _tag: 'ImageShared', image: below[0].name, readers: [first, ...rest] }, [
    { _tag: 'PullIntoReaders', readers: [image.name, ...others.map(({ name }) => String(name))] },
  ])
}

/** Down where that is asked or loses nothing, else up; in `auto` the reason against going down is the one that is told. */
const oneReader = (
  of: DiskDeletion,
  at: DiskPlans,
  { reader, may }: { readonly reader: Reader; readonly may: 'go down' | 'go up only' },
): E.Either<Refusal, DiskPlans> => {
  if (of.direction === 'pull') return pullInto(of, at, reader)
  if (may === 'go up only')
    return of.direction === 'commit' ? E.left(sharedRefusal(chainOf(at, of.disk), reader)) : pullInto(of, at, reader)
  const down = commitFrom(of, at, reader)
  if (E.isRight(down) || of.direction === 'commit') return down
  const up = pullInto(of, at, reader)
  return E.isRight(up) ? up : down
}

/**
 * Plans for one disk what takes the doomed images out of it, with as few jobs as there are images that read one of them.
 *
 * Whoever reads a doomed image gets what it read: all but one by a pull, and the last one of each tree, on the active path
 * if one is, by a commit down into the lowest doomed image, whose file then holds what that reader held.
 */
export const deleteOnDisk = (of: DiskDeletion): E.Either<Refusal, DiskPlans> => {
  let at = dropUnread(of, { machine: of.machine, points: of.points, plans: [] })
  if (E.isLeft(at)) return at
  const readers = readersOf(chainOf(at.right, of.disk), of.doomed)
  const last = lastOf(readers)
  for (const reader of readers) {
    const may = last.get(reader.below[0].name) === reader ? 'go down' : 'go up only'
    at = oneReader(of, at.right, { reader, may })
    if (E.isLeft(at)) return at
  }
  return at
}
