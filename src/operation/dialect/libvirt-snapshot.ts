import type { XmlElement } from '../../model/xml.js'
import type { Step } from '../../plan/plan.js'
import { libvirt } from './step.js'

/** Has libvirt forget a snapshot and touch no file; its children get its parent. */
export const forgetStep = (domain: string, snapshot: string): Step =>
  libvirt(
    {
      call: 'virDomainSnapshotDelete',
      arguments: { domain, snapshot },
      flags: ['VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY'],
    },
    `libvirt forgets ${JSON.stringify(snapshot)}; the chains are done already`,
  )

/** Has libvirt write down something else of a snapshot that it has; it believes what it is told. */
export const redefineStep = (domain: string, record: XmlElement, why: string): Step =>
  libvirt(
    {
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain, xml: record },
      flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE'],
    },
    why,
  )

/** Has libvirt write down a snapshot that it has not taken itself, and call it the current one. */
export const recordStep = (domain: string, record: XmlElement, why: string): Step =>
  libvirt(
    {
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain, xml: record },
      flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE', 'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'],
    },
    why,
  )
