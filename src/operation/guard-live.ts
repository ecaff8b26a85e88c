import type { Chain } from '../model/chain.js'
import { activeImage, activePath } from '../model/chain-query.js'
import { traitsOf } from '../model/format.js'
import { normalPath } from '../model/header.js'
import { locationString } from '../model/location.js'
import { isEncrypted, placesOf } from '../model/image.js'
import type { Image } from '../model/image.js'
import { childOf } from '../model/xml.js'
import type { Definition, Hypervisor } from '../plan/hypervisor.js'
import { refuse } from '../plan/refusal.js'
import type { Refusal } from '../plan/refusal.js'
import { identifierProblem } from './identifier.js'
import type { CommonRequest } from './request.js'

/** Refuses to work live on an image that the guest does not read: QEMU does not have it. */
export const onPathGuard = (via: Hypervisor['via'], chain: Chain, image: Image): Refusal | undefined =>
  via === 'qemu-img' || activePath(chain).some(({ name }) => name === image.name)
    ? undefined
    : refuse({ _tag: 'NotOnActivePath', image: image.name, active: chain.active }, [
        { _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] },
      ])

/** Refuses filters between images: what QEMU would write into headers there is not usable. */
export const filterGuard = (via: Hypervisor['via'], images: ReadonlyArray<Image>): Refusal | undefined => {
  const found = via === 'qmp' ? images.find(({ node }) => node !== undefined && node.filters.length > 0) : undefined
  if (found?.node === undefined) return undefined
  const why = 'with a filter between two images QEMU may record the filter as the backing format'
  return refuse({ _tag: 'FilterAbove', image: found.name, filters: found.node.filters, why })
}

/** Refuses a job id that QEMU would not take. */
export const jobIdGuard = (job: string | undefined): Refusal | undefined => {
  const why = job === undefined ? undefined : identifierProblem(job, 'job')
  return job === undefined || why === undefined ? undefined : refuse({ _tag: 'NodeNameInvalid', node: job, why })
}

/**
 * Refuses to remove files where nothing can flush first: libvirt does nothing when asked to suspend a guest that is paused.
 */
export const flushGuard = ({ via, guest }: Hypervisor, { leftovers }: CommonRequest): Refusal | undefined =>
  via === 'libvirt' && guest === 'paused' && leftovers === 'remove'
    ? refuse({ _tag: 'GuestStateWrong', via, guest, needs: ['running'] }, [
        { _tag: 'KeepLeftovers' },
        { _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] },
      ])
    : undefined

/** Refuses a pull that nothing would flush: until then a kill loses what was pulled, with the header already rewritten. */
export const pausedPullGuard = ({ via, guest }: Hypervisor): Refusal | undefined =>
  via === 'libvirt' && guest === 'paused'
    ? refuse({ _tag: 'GuestStateWrong', via, guest, needs: ['running'] }, [
        { _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] },
      ])
    : undefined

/** Refuses encrypted images where only a bare command line is planned: it would have to carry the secret. */
export const secretGuard = (via: Hypervisor['via'], images: ReadonlyArray<Image>): Refusal | undefined => {
  const found = images.find(isEncrypted)
  if (via !== 'qemu-img' || found === undefined) return undefined
  const why = `${JSON.stringify(String(found.name))} is encrypted, and qemu-img would have to be given its secret`
  return refuse({ _tag: 'NotThisWay', via, why }, [{ _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] }])
}

/** What is wrong with a definition that is to be mended; nothing where it can be. */
const unmendable = (
  { disk, managedSave }: Definition,
  chain: Chain,
  active: 'stays' | 'changes',
): string | undefined => {
  if (managedSave === 'present') return 'the domain has a saved state, which would be resumed on the old chain'
  const target = childOf(disk, 'target')?.attributes['dev']
  if (disk.name !== 'disk' || target !== chain.disk) return `the definition is no <disk> with the target ${chain.disk}`
  if (active === 'stays') return undefined
  const source = childOf(disk, 'source')
  const path = source?.attributes['file'] ?? source?.attributes['dev']
  if (path === undefined || normalPath(path) !== normalPath(locationString(activeImage(chain).location)))
    return 'the <source> of the definition is not the active image'
  return source?.children.some((child) => typeof child === 'object') === true
    ? 'the <source> of the definition has elements inside, which belong to the image that is there now'
    : undefined
}

/** Refuses to mend a definition that is of something else, or says more of the old image than where it is. */
export const definitionGuard = (
  hypervisor: Hypervisor,
  chain: Chain,
  active: 'stays' | 'changes',
): Refusal | undefined => {
  if (hypervisor.via === 'qmp' || hypervisor.via === 'libvirt' || hypervisor.definition === undefined) return undefined
  const why = unmendable(hypervisor.definition, chain, active)
  return why === undefined ? undefined : refuse({ _tag: 'NotThisWay', via: hypervisor.via, why })
}

/** Refuses to remove files by relative paths: whoever executes the plan may stand in another directory. */
export const removalGuard = ({ leftovers }: CommonRequest, images: ReadonlyArray<Image>): Refusal | undefined => {
  if (leftovers !== 'remove') return undefined
  for (const image of images) {
    for (const where of placesOf(image))
      if (where._tag === 'File' && !where.path.startsWith('/'))
        return refuse({ _tag: 'PathNotAbsolute', image: image.name, path: where.path }, [{ _tag: 'KeepLeftovers' }])
  }
  return undefined
}

/** Refuses to have an image written whose format QEMU only reads. */
export const writableGuard = (via: Hypervisor['via'], image: Image): Refusal | undefined =>
  traitsOf(image.format).writes === 'yes'
    ? undefined
    : refuse({ _tag: 'NotThisWay', via, why: `QEMU only reads ${image.format} images` })
