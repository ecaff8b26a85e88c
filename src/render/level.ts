import { nameText } from '../model/print-picture.js'
import type { LevelKind } from '../model/storage-level.js'
import type { LevelObjection, PassedOver } from '../plan/passed-over.js'
import { names, openerText } from './alternative.js'

type ByTag = { readonly [O in LevelObjection<string> as O['_tag']]: O }

const levels: { readonly [K in LevelKind]: string } = {
  QemuExternal: 'an overlay',
  QemuInternal: 'inside the image',
  Lvm: 'LVM',
  Btrfs: 'btrfs',
  Reflink: 'a reflink',
  Other: 'another level',
}

/** What each objection says; one that is missing here does not compile. */
const texts: { readonly [T in keyof ByTag]: (objection: ByTag[T]) => string } = {
  NotOffered: () => 'the disk does not have it',
  NotPreferred: () => 'it is not among the levels that are preferred',
  KeepsNoMemory: () => 'the memory cannot be kept with it so',
  NeedsPause: () => 'the guest runs, and may not be paused',
  NotThere: ({ image, wanted }) => `${nameText(image)} is not in ${wanted}`,
  PathNotAbsolute: ({ path }) => `${JSON.stringify(path)} is not absolute`,
  NameUnfit: ({ name }) => `LVM takes no volume of the name ${JSON.stringify(name)}`,
  SizeUnfit: ({ sizeBytes }) => `LVM takes no snapshot of ${String(sizeBytes)} bytes`,
  AllInside: () => 'another disk prefers that all disks are taken inside their images',
  PathTaken: ({ path, by }) => `${JSON.stringify(path)} is taken: ${by}`,
  SnapshotsInside: ({ snapshots, subvolume }) =>
    `${JSON.stringify(snapshots)} is in ${JSON.stringify(subvolume)} itself`,
  DataFileApart: ({ image }) => `the data of ${nameText(image)} are in a file of their own`,
  HeaderLeadsAway: ({ image, header }) =>
    `the backing string ${JSON.stringify(header)} of ${nameText(image)} leads elsewhere from the copy`,
  HeldBack: ({ image }) =>
    `the guest is paused already, and libvirt cannot have QEMU write out what it may still hold back of ${nameText(image)}`,
  JobActive: ({ job, kind }) => `the ${kind} job ${nameText(job)} writes on while the guest is paused`,
  WrittenByOther: ({ image, by }) => `${nameText(image)} is open for writing: ${openerText(by)}`,
  AllOrNone: ({ lacking }) => `it takes all disks or none, and these are not taken so: ${names(lacking)}`,
  TakeRefuses: ({ refusal }) => refusal.split('\n')[0] ?? '',
}

const textOf = <T extends keyof ByTag>(tag: T, objection: ByTag[T]): string => texts[tag](objection)

/** A level that was passed over, in English; a refusal inside is told already. */
export const passedText = ({ disk, level, why }: PassedOver<string>): string =>
  `${nameText(disk)}, ${levels[level]}: ${textOf(why._tag, why)}`
