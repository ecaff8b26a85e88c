import { element } from '../../model/xml.js'
import type { XmlElement } from '../../model/xml.js'
import { locationString } from '../../model/location.js'
import { sourceElement } from '../../model/record.js'
import type { LibvirtHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import type { OverlayOutcome } from '../overlay-outcome.js'
import { observe } from './libvirt-step.js'
import { createImage } from './qemu-img-overlay.js'
import { libvirt } from './step.js'

/** Every disk is named: libvirt would snapshot the ones that are not. */
const snapshotXml = ({ job, placed }: OverlayOutcome, others: ReadonlyArray<string>): XmlElement => {
  const { type, source } = sourceElement(placed.image)
  const driver = element('driver', { type: placed.image.format })
  const disk = element('disk', { name: job.chain.disk, snapshot: 'external', type }, [driver, source])
  const rest = others.map((name) => element('disk', { name, snapshot: 'no' }))
  return element('domainsnapshot', {}, [element('disks', {}, [disk, ...rest])])
}

/** libvirt makes an overlay itself only with the path of its backing file as the backing string, and its cluster size. */
export const overlayMade = ({ job, placed }: OverlayOutcome): 'libvirt' | 'here' | 'before' => {
  if (job.request.overlay.made === 'before') return 'before'
  const { header } = placed.image.backing ?? {}
  const plain = header === locationString(job.active.location) && placed.image.clusterBytes === undefined
  return plain ? 'libvirt' : 'here'
}

/** A new overlay as libvirt calls. */
export const libvirtOverlay = (outcome: OverlayOutcome, hypervisor: LibvirtHypervisor): ReadonlyArray<Step> => {
  const { placed, after } = outcome
  const how = overlayMade(outcome)
  const why = 'makes the overlay with the backing string wanted; the backing file stays closed, its guest is running'
  return [
    ...(how === 'here' ? [createImage(placed.image, 'nothing', why)] : []),
    libvirt(
      {
        call: 'virDomainSnapshotCreateXML',
        arguments: { domain: hypervisor.domain.name, xml: snapshotXml(outcome, hypervisor.domain.otherDisks) },
        flags: [
          'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA',
          'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY',
          ...(how === 'libvirt' ? [] : (['VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT'] as const)),
          'VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC',
        ],
      },
      'puts the overlay on top: from here on the guest writes into it',
    ),
    observe(hypervisor, after),
  ]
}
