import type { Chain } from '../model/chain.js'
import { activePath } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import type { Hypervisor } from '../plan/hypervisor.js'
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
  const found = images.find(({ encryption, format }) => encryption !== undefined || format === 'luks')
  if (via !== 'qemu-img' || found === undefined) return undefined
  const why = `${JSON.stringify(String(found.name))} is encrypted, and qemu-img would have to be given its secret`
  return refuse({ _tag: 'NotThisWay', via, why }, [{ _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] }])
}

/** Refuses to replace a source of which the definition says more than where it is: that belongs to the old image. */
export const definitionGuard = (hypervisor: Hypervisor, active: 'stays' | 'changes'): Refusal | undefined => {
  if (hypervisor.via !== 'qemu-img' || hypervisor.definition === undefined) return undefined
  const { disk } = hypervisor.definition
  const source = disk.children.find((child) => typeof child === 'object' && child.name === 'source')
  const why =
    disk.name !== 'disk' || typeof source !== 'object'
      ? 'the definition is no <disk> with a <source>'
      : 'the <source> of the definition has elements inside, which belong to the image that is there now'
  const plain = typeof source === 'object' && !source.children.some((child) => typeof child === 'object')
  return disk.name === 'disk' && (plain || (active === 'stays' && source !== undefined))
    ? undefined
    : refuse({ _tag: 'NotThisWay', via: 'qemu-img', why })
}
