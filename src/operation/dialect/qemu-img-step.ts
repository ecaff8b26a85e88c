import type { XmlElement } from '../../model/xml.js'
import type { Chain } from '../../model/chain.js'
import { activeImage } from '../../model/chain-query.js'
import type { Backing, Image } from '../../model/image.js'
import { withDiskSource } from '../../model/record.js'
import type { Definition, QemuImgHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { chainIs, libvirt, operand, qemuImg } from './step.js'

/** Reads the headers back before anything is removed. */
export const observe = (after: Chain, upTo: string = after.active): Step => {
  const image = after.images.get(upTo) ?? activeImage(after)
  return qemuImg(
    ['info', '--backing-chain', '--output=json', operand(image)],
    'see that the headers lead where they should, before anything depends on it',
    chainIs(after, image.name),
  )
}

/** Rewrites a header and nothing else. */
export const repoint = (overlay: Image, backing: Backing, why: string): Step =>
  qemuImg(['rebase', '-u', '-f', overlay.format, '-F', backing.format, '-b', backing.header, operand(overlay)], why)

/**
 * Tells libvirt's persistent definition about the new chain: its stored `<backingStore>` would override the headers at the
 * next start.
 */
export const mend = (
  { definition }: Pick<QemuImgHypervisor, 'definition'>,
  before: Chain,
  after: Chain,
): ReadonlyArray<Step> =>
  definition === undefined
    ? []
    : [mendDefinition(definition, after.active === before.active ? undefined : activeImage(after))]

/** Where the active image stays, nothing goes but the stored backing chain. */
const withoutStored = (disk: XmlElement): XmlElement => ({
  ...disk,
  children: disk.children.filter((child) => typeof child === 'string' || child.name !== 'backingStore'),
})

/** Mends a definition: its source where the active image is another one or elsewhere, and what it stores below. */
export const mendDefinition = ({ domain, disk }: Definition, active: Image | undefined): Step =>
  libvirt(
    {
      call: 'virDomainUpdateDeviceFlags',
      arguments: { domain, xml: active === undefined ? withoutStored(disk) : withDiskSource(disk, active) },
      flags: ['VIR_DOMAIN_AFFECT_CONFIG'],
    },
    'the persistent definition stores the chain, and overrides the headers at the next start',
  )
