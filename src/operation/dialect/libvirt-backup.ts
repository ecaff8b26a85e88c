import type { BackupBeginCall } from '../../call/libvirt.js'
import { sourceElement } from '../../model/record.js'
import { element } from '../../model/xml.js'
import type { XmlElement } from '../../model/xml.js'
import type { BackupJob, PlacedDisk } from '../backup-job.js'
import type { Draft } from '../machine-lane.js'
import { createImage } from './qemu-img-overlay.js'
import { libvirt } from './step.js'

/** libvirt makes an image itself with clusters of the size of the disk's own. */
const madeByLibvirt = ({ place: { wanted } }: PlacedDisk): boolean =>
  wanted.made !== 'before' && wanted.clusterBytes === undefined

/** libvirt's flag to use targets that are there is for all of them at once; where one has to be made, so have the others. */
const reuses = (disks: ReadonlyArray<PlacedDisk>): boolean => !disks.every(madeByLibvirt)

/** Disks that the XML does not name are not copied. */
const diskElement = ({ disk, placed: { image } }: PlacedDisk): XmlElement => {
  const { type, source } = sourceElement(image)
  return element('disk', { name: disk, backup: 'yes', type }, [
    { ...source, name: 'target' },
    element('driver', { type: image.format }),
  ])
}

const callOf = ({ machine }: BackupJob, disks: ReadonlyArray<PlacedDisk>): BackupBeginCall => ({
  call: 'virDomainBackupBegin',
  arguments: {
    domain: machine.name,
    xml: element('domainbackup', { mode: 'push' }, [element('disks', {}, disks.map(diskElement))]),
  },
  flags: reuses(disks) ? ['VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL'] : [],
})

const moment =
  'every new image gets what its disk shows at this moment: what the guest is about to overwrite is copied first. libvirt closes each ' +
  'before it says that its job has completed'

/** A backup as one libvirt call; where libvirt would not make the images as they are wanted, they are made first. */
export const libvirtBackup = (job: BackupJob, disks: ReadonlyArray<PlacedDisk>): ReadonlyArray<Draft> => {
  const why = 'makes the image as it is wanted; libvirt is handed all of them or none'
  const made = reuses(disks) ? disks.filter(({ place }) => place.wanted.made !== 'before') : []
  const until = { _tag: 'LibvirtJobs', disks: disks.map(({ disk }) => disk), status: 'completed' } as const
  return [
    ...made.map(({ disk, placed }) => ({ step: createImage(placed.image, 'nothing', why), disk })),
    { step: libvirt(callOf(job, disks), moment, until) },
  ]
}
