import { overlaysOf } from '../model/chain-query.js'
import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import { refuse } from '../plan/refusal.js'
import type { Alternative, Refusal } from '../plan/refusal.js'

const quoted = (name: string): string => JSON.stringify(name)

const shutOff: ReadonlyArray<Alternative> = [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }]

/**
 * Refuses work of a running QEMU inside an image that is not the root of its disk ("Need a root block node"): one below another, or
 * with a filter or an image above it that QEMU has open. The name of a throttle filter would abort QEMU 10.0 in a load.
 */
export const rootGuard = (chain: Chain, image: Image): Refusal | undefined => {
  const { name, node } = image
  const not = (why: string): Refusal => refuse({ _tag: 'NotThisWay', via: 'qmp', why }, shutOff)
  if (name !== chain.active)
    return not(`QEMU works inside active images alone, and ${quoted(name)} is not the one that the guest writes to`)
  if (node === undefined) return refuse({ _tag: 'NodeUnknown', image: name })
  if (node.filters.length > 0) {
    const why = 'QEMU works inside the root of a disk, and a filter would be that'
    return refuse({ _tag: 'FilterAbove', image: name, filters: node.filters, why })
  }
  const above = overlaysOf(chain, name).find((overlay) => overlay.node !== undefined)
  return above === undefined
    ? undefined
    : not(`QEMU still has ${quoted(above.name)} open over ${quoted(name)}: close it`)
}

/** Refuses an image that keeps the guest's bytes in a file of their own: what is inside it would not have them. */
export const dataFileGuard = ({ name, dataFile }: Image): string | undefined =>
  dataFile === undefined ? undefined : `${quoted(name)} has a data file of its own, and nothing is saved inside it`

/** True for a name that libvirt can make the id of a job of, as it does where a QEMU that runs saves or deletes what is inside. */
export const isJobName = (name: string): boolean => /^[A-Za-z0-9._-]+$/.test(name)

/**
 * True for a name that is only digits: `qemu-img snapshot -a` and `convert -l` take it for an id first, `-d` and QEMU for a name.
 */
export const isLikeId = (name: string): boolean => /^\d+$/.test(name)
