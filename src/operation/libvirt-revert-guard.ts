import * as E from 'fp-ts/lib/Either.js'

import { imageAt } from '../model/chain-query.js'
import type { RevertCall } from '../call/libvirt.js'
import { normalPath } from '../model/header.js'
import type { GuestState } from '../model/guest.js'
import type { Image } from '../model/image.js'
import { pathOf } from '../model/location.js'
import type { Machine } from '../model/machine.js'
import { sourcesOfDomain } from '../model/record.js'
import type { RecordedSource } from '../model/record.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { LibvirtRefusal } from '../plan/machine-refusal.js'
import { revertRefusal } from './libvirt-rule.js'
import type { LibvirtSnapshot, LibvirtTree } from './libvirt-tree.js'

/**
 * How libvirt is asked to revert, and what it finds besides the machine. `seconds`: what its clock says, since 1970; it names
 * the overlays after it. `taken`: paths of files that are there, not empty, and no images of the machine; libvirt writes over an
 * empty one. `irregular`: paths at which there is a directory, a device or a pipe.
 *
 * @since 0.2.0
 */
export interface LibvirtRevertRequest {
  readonly flags: RevertCall['flags']
  readonly seconds: number
  readonly jobs?: MachineHost['jobs']
  readonly managedSave?: MachineHost['managedSave']
  readonly taken?: ReadonlyArray<string>
  readonly irregular?: ReadonlyArray<string>
}

/**
 * A refusal to revert, and what the guest does after it: libvirt has stopped it before it looks at the disks.
 *
 * @since 0.2.0
 */
export interface LibvirtRevertRefusal extends LibvirtRefusal {
  readonly guest: GuestState
}

/** An overlay that libvirt makes of its own accord: its path, in qcow2, and the path of the image that it lies on. */
export interface LibvirtOverlay {
  readonly disk: string
  readonly path: string
  readonly backing: string
}

/** All that libvirt looks at. */
export interface RevertFacts {
  readonly machine: Machine
  readonly tree: LibvirtTree
  readonly snapshot: LibvirtSnapshot
  readonly request: LibvirtRevertRequest
}

/** True for a snapshot that keeps the guest's memory: libvirt starts the guest with it. */
const isLive = ({ state }: LibvirtSnapshot): boolean => state === 'running' || state === 'paused'

/** Why libvirt would not begin, in its order: R1, R4, R2, R3. */
export const revertValidated = ({ machine, snapshot, request }: RevertFacts): LibvirtRefusal | undefined => {
  const { flags } = request
  const live = isLive(snapshot)
  const asked = flags.some((flag) => flag !== 'VIR_DOMAIN_SNAPSHOT_REVERT_FORCE')
  const transient = machine.definitions !== undefined && machine.definitions.persistent === undefined
  if (Array.from(request.jobs?.values() ?? []).some((jobs) => jobs.length > 0)) return revertRefusal.R1()
  if (transient && !live && !asked) return revertRefusal.R4()
  if (childOf(snapshot.record, 'domain') === undefined)
    return revertRefusal.R2({ snapshot: snapshot.name, domain: machine.name })
  const forced = flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_FORCE')
  return !forced && request.managedSave === 'present' && !live ? revertRefusal.R3() : undefined
}

/** The definition whose disks get overlays: the one of the running guest where its memory is loaded. */
export const revertedDomain = (snapshot: LibvirtSnapshot): XmlElement | undefined => {
  const domain = childOf(snapshot.record, 'domain')
  return isLive(snapshot) ? domain : (childOf(snapshot.record, 'inactiveDomain') ?? domain)
}

/** The path with its last suffix replaced by the second. */
const derivedPath = (path: string, seconds: number): string => {
  const dot = path.lastIndexOf('.')
  return `${dot > path.lastIndexOf('/') ? path.slice(0, dot) : path}.${String(seconds)}`
}

/** A disk whose images are known has to have a regular file there; of others nothing is known against it. */
const isRegularFile = ({ machine }: RevertFacts, disk: string, { type, path }: RecordedSource): boolean => {
  const chain = machine.disks.get(disk)
  if (type !== 'file' || path === undefined) return false
  return chain === undefined || imageAt(chain, path)?.location._tag === 'File'
}

const takenPaths = ({ machine, request }: RevertFacts): ReadonlySet<string> => {
  const images = Array.from(machine.disks.values()).flatMap(({ images: all }) =>
    Array.from(all.values()).flatMap(({ location }) => pathOf(location) ?? []),
  )
  return new Set([...images, ...(request.taken ?? [])].map(normalPath))
}

/** An empty drive gets none; a read-only disk, and one that the snapshot leaves out, do. */
const isEmptyDrive = ({ type, path }: RecordedSource): boolean => path === undefined && type === 'file'

/** R6 and R5: the names of the overlays, for one disk after the other, and then whether any is there. */
export const overlaysOf = (facts: RevertFacts): E.Either<LibvirtRevertRefusal, ReadonlyArray<LibvirtOverlay>> => {
  const found: Array<LibvirtOverlay> = []
  const diskOf = new Map<string, string>()
  const stopped = { guest: 'shut-off' } as const
  for (const [disk, source] of sourcesOfDomain(revertedDomain(facts.snapshot))) {
    if (isEmptyDrive(source)) continue
    if (source.path === undefined || !isRegularFile(facts, disk, source))
      return E.left({ ...revertRefusal.R6({ disk }), ...stopped })
    const path = derivedPath(source.path, facts.request.seconds)
    const other = diskOf.get(path)
    if (other !== undefined) return E.left({ ...revertRefusal.R5({ disk }, { by: 'disk', other }), ...stopped })
    diskOf.set(path, disk)
    found.push({ disk, path, backing: source.path })
  }
  const taken = takenPaths(facts)
  const irregular = new Set(facts.request.irregular?.map(normalPath))
  for (const { disk, path } of found) {
    const by = irregular.has(normalPath(path)) ? 'no file' : taken.has(normalPath(path)) ? 'file' : undefined
    if (by !== undefined) return E.left({ ...revertRefusal.R5({ disk }, { by, path }), ...stopped })
  }
  return E.right(found)
}

/** How libvirt calls a disk's active image in the QEMU that it starts: it numbers them from the last disk to the first. */
const nodeOf = ({ sources }: LibvirtSnapshot, disk: string): string => {
  const targets = Array.from(sources).flatMap(([target, source]) => (isEmptyDrive(source) ? [] : [target]))
  return `libvirt-${String(targets.length - targets.indexOf(disk))}-format`
}

/** The images that are to load the snapshot, as far as the machine's disks are known; nothing for one that is gone. */
const loading = ({
  machine,
  snapshot,
}: RevertFacts): ReadonlyArray<readonly [disk: string, image: Image | undefined]> =>
  Array.from(snapshot.disks).flatMap(([disk, { mode }]) => {
    const path = snapshot.sources.get(disk)?.path
    const chain = machine.disks.get(disk)
    const known = mode === 'internal' && chain !== undefined && path !== undefined
    return known ? [[disk, imageAt(chain, path)] as const] : []
  })

/** R7: no image loads a snapshot that it does not have, and none that has dirty bitmaps loads any. */
export const insideRefusal = (facts: RevertFacts): LibvirtRevertRefusal | undefined => {
  const { snapshot } = facts
  const live = isLive(snapshot)
  const refusal = (why: Parameters<typeof revertRefusal.R7>[1]): LibvirtRevertRefusal => ({
    ...revertRefusal.R7({ snapshot: snapshot.name }, live ? why : { why: 'unsaid' }),
    guest: 'shut-off',
  })
  const all = loading(facts)
  // Without an image QEMU does not even start, and says so in words of its own.
  if (live && all.some(([, image]) => image === undefined)) return undefined
  const has = (image: Image | undefined): boolean =>
    image?.internalSnapshots.some(({ id, name }) => name === snapshot.name || (!live && id === snapshot.name)) ?? false
  const absent = all.find(([, image]) => !has(image))
  if (absent !== undefined) return refusal({ why: 'absent', disk: absent[0] })
  const marked = all.find(([, image]) => image !== undefined && image.bitmaps.length > 0)
  return marked && refusal({ why: 'bitmaps', node: nodeOf(snapshot, marked[0]) })
}
