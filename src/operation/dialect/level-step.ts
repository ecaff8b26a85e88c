import type { HostCall } from '../../call/host.js'
import { normalPath } from '../../model/header.js'
import { locationString, pathOf } from '../../model/location.js'
import { copyPath, copySubvolume, copyVolume } from '../../model/storage-copy.js'
import type { StorageCopy } from '../../model/storage-copy.js'
import type { Step } from '../../plan/plan.js'
import type { Draft } from '../machine-lane.js'

/** A run of a program of the host. */
export const host = (argv: HostCall['argv'], why: string): Step => ({ call: { _tag: 'Host', argv }, why })

/** Copies that one command makes or takes away: those of several disks in one subvolume; `copy` is the first. */
export interface CopyGroup {
  readonly copy: StorageCopy
  readonly copies: ReadonlyArray<StorageCopy>
  readonly disks: ReadonlyArray<string>
}

const keyOf = ({ level, snapshot, disk }: StorageCopy): string =>
  level._tag === 'Btrfs' ? `${normalPath(level.subvolume)}\0${copySubvolume(level, snapshot)}` : `disk ${disk}`

/** Copies by the command that they have in common. */
export const copyGroups = (copies: ReadonlyArray<StorageCopy>): ReadonlyArray<CopyGroup> => {
  const groups = new Map<string, CopyGroup>()
  for (const copy of copies) {
    const known = groups.get(keyOf(copy))
    const all = [...(known?.copies ?? []), copy]
    groups.set(keyOf(copy), { copy: known?.copy ?? copy, copies: all, disks: all.map(({ disk }) => disk) })
  }
  return Array.from(groups.values())
}

const handOver = (copy: StorageCopy, task: 'take' | 'delete' | 'revert', why: string): Step => ({
  call: {
    _tag: 'HandOver',
    level: copy.level._tag === 'Other' ? copy.level.name : copy.level._tag,
    task,
    disk: copy.disk,
    snapshot: copy.snapshot,
    path: locationString(copy.image.location),
  },
  why,
})

const columns = 'lv_name,lv_size,origin,lv_attr,snap_percent'

const lookAtVolume = (volume: string): Step =>
  host(
    ['lvs', '--reportformat', 'json', '--units', 'b', '--nosuffix', '--options', columns, volume],
    'see that the volume is there, and whether it is still valid',
  )

const takeVolume = ({
  level,
  snapshot,
}: StorageCopy & { readonly level: { readonly _tag: 'Lvm' } }): ReadonlyArray<Step> => {
  const { group, volume, kind } = level
  const name = copyVolume(volume, snapshot)
  const how = kind === 'thin' ? ['--setactivationskip', 'n'] : ['--size', `${kind.thickBytes}b`]
  const made = ['lvcreate', '--snapshot', ...how, '--name', name, `${group}/${volume}`] as const
  return [host(made, 'takes the snapshot of the volume'), lookAtVolume(`${group}/${name}`)]
}

/** The images of a subvolume in the snapshot of it. */
const filesOf = (copies: ReadonlyArray<StorageCopy>): ReadonlyArray<string> =>
  copies.flatMap(({ images, level, snapshot }) =>
    images.flatMap(({ location }) => copyPath(level, snapshot, { file: pathOf(location) ?? '', active: '' }) ?? []),
  )

const takeSteps = ({ copy, copies }: CopyGroup): ReadonlyArray<Step> => {
  const { level, snapshot, path = '' } = copy
  switch (level._tag) {
    case 'Lvm':
      return takeVolume({ ...copy, level })
    case 'Btrfs': {
      const to = copySubvolume(level, snapshot)
      return [
        host(['btrfs', 'subvolume', 'snapshot', '-r', level.subvolume, to], 'takes the snapshot of all that is in it'),
        host(['btrfs', 'subvolume', 'show', to], 'see that it is there, and not inside a folder of that name'),
        host(['sync', '--', ...filesOf(copies)], 'see that no image is missing: what is in a subvolume inside it is'),
      ]
    }
    case 'Reflink':
      return [
        host(
          ['cp', '--reflink=always', '--preserve=mode,ownership', '--', locationString(copy.image.location), path],
          'takes a second file of the same blocks',
        ),
        host(['sync', '--', path], 'the copy is on disk before anything depends on it'),
      ]
    case 'Other':
      return [handOver(copy, 'take', 'somebody else takes it, before the next step')]
  }
}

const deleteSteps = (copy: StorageCopy): ReadonlyArray<Step> => {
  const { level, snapshot, path = '' } = copy
  switch (level._tag) {
    case 'Lvm':
      return [
        host(['lvremove', '--yes', `${level.group}/${copyVolume(level.volume, snapshot)}`], 'the snapshot is removed'),
      ]
    case 'Btrfs':
      return [host(['btrfs', 'subvolume', 'delete', copySubvolume(level, snapshot)], 'the snapshot is removed')]
    case 'Reflink':
      return [{ call: { _tag: 'Files', operation: 'remove', path }, why: 'the copy is removed' }]
    case 'Other':
      return [handOver(copy, 'delete', 'somebody else removes it')]
  }
}

const revertVolume = (group: string, volume: string, snapshot: string): ReadonlyArray<Step> => [
  host(['lvchange', '--activate', 'n', `${group}/${volume}`], 'nobody has the volume open, or this fails'),
  host(
    ['lvconvert', '--merge', `${group}/${copyVolume(volume, snapshot)}`],
    'the snapshot is merged into the volume, and is no more',
  ),
  host(['lvchange', '--activate', 'y', `${group}/${volume}`], 'from here on the volume reads as it did then'),
  lookAtVolume(`${group}/${volume}`),
]

/** How a subvolume or file goes back, and what is kept of the present. */
export interface RevertTo {
  readonly copy: StorageCopy
  readonly aside: string | undefined
}

const subvolumeAside = ({ copy: { snapshot }, aside }: RevertTo, subvolume: string): string =>
  `${normalPath(subvolume)}.${aside ?? `${snapshot}.old`}`

const fileBeside = ({ image }: StorageCopy, ending: string): string => `${locationString(image.location)}.${ending}`

const nextFile = (copy: StorageCopy): string => fileBeside(copy, `${copy.snapshot}.next`)

const newPlaces = (to: RevertTo): ReadonlyArray<string> => {
  const { copy, aside } = to
  if (copy.level._tag === 'Btrfs') return [subvolumeAside(to, copy.level.subvolume)]
  if (copy.level._tag !== 'Reflink') return []
  return [nextFile(copy), ...(aside === undefined ? [] : [fileBeside(copy, aside)])]
}

const revertSubvolume = (to: RevertTo, subvolume: string, from: string): ReadonlyArray<Step> => {
  const { aside } = to
  const kept = subvolumeAside(to, subvolume)
  return [
    host(['mv', '-T', '--', subvolume, kept], 'the present is put aside'),
    host(['btrfs', 'subvolume', 'snapshot', from, subvolume], 'the subvolume is as it was, and can be written'),
    host(['btrfs', 'subvolume', 'show', subvolume], 'see that it is there'),
    ...(aside === undefined ? [host(['btrfs', 'subvolume', 'delete', kept], 'the present is given up')] : []),
  ]
}

const revertFile = ({ copy, aside }: RevertTo): ReadonlyArray<Step> => {
  const active = locationString(copy.image.location)
  const next = nextFile(copy)
  return [
    ...(aside === undefined
      ? []
      : [
          {
            call: { _tag: 'Files', operation: 'link', path: active, to: fileBeside(copy, aside) },
            why: 'the present is kept under another name',
          } as const,
        ]),
    { call: { _tag: 'Files', operation: 'rename', path: next, to: active }, why: 'from here on the disk is as it was' },
  ]
}

/** What fails where the copy is no more, and changes nothing. */
const readySteps = ({ copy }: RevertTo): ReadonlyArray<Step> => {
  const { level, snapshot, path: from = '' } = copy
  const next = nextFile(copy)
  switch (level._tag) {
    case 'Lvm':
      return [lookAtVolume(`${level.group}/${copyVolume(level.volume, snapshot)}`)]
    case 'Btrfs':
      return [
        host(
          ['btrfs', 'subvolume', 'show', copySubvolume(level, snapshot)],
          'see that the copy is there, before all else',
        ),
      ]
    case 'Reflink':
      return [
        host(['cp', '--reflink=always', '--preserve=mode,ownership', '--', from, next], 'takes what was then'),
        host(['sync', '--', next], 'it is on disk before it replaces anything'),
      ]
    case 'Other':
      return []
  }
}

const revertSteps = (to: RevertTo): ReadonlyArray<Step> => {
  const { level, snapshot } = to.copy
  switch (level._tag) {
    case 'Lvm':
      return revertVolume(level.group, level.volume, snapshot)
    case 'Btrfs':
      return revertSubvolume(to, level.subvolume, copySubvolume(level, snapshot))
    case 'Reflink':
      return revertFile(to)
    case 'Other':
      return [handOver(to.copy, 'revert', 'somebody else has it be as it was')]
  }
}

/** What several disks have in common belongs to none of their lanes. */
const drafted = ({ disks }: CopyGroup, steps: ReadonlyArray<Step>): ReadonlyArray<Draft> =>
  steps.map((step) => (disks[0] !== undefined && disks.length === 1 ? { step, disk: disks[0] } : { step }))

/** Takes copies. */
export const takeCopies = (copies: ReadonlyArray<StorageCopy>): ReadonlyArray<Draft> =>
  copyGroups(copies).flatMap((group) => drafted(group, takeSteps(group)))

/** Deletes copies. */
export const deleteCopySteps = (copies: ReadonlyArray<StorageCopy>): ReadonlyArray<Draft> =>
  copyGroups(copies).flatMap((group) => drafted(group, deleteSteps(group.copy)))

/** Where that makes something that was not there, each with its disk. */
export const revertPlaces = (
  copies: ReadonlyArray<StorageCopy>,
  aside: string | undefined,
): ReadonlyArray<readonly [disk: string, path: string]> =>
  copyGroups(copies).flatMap(({ copy }) => newPlaces({ copy, aside }).map((path) => [copy.disk, path] as const))

/** Goes back to copies, once all of them are seen to be there; `aside` is what is added to the name of what is kept. */
export const revertToCopySteps = (
  copies: ReadonlyArray<StorageCopy>,
  aside: string | undefined,
): ReadonlyArray<Draft> => {
  const groups = copyGroups(copies)
  return [
    // Of no lane: whatever changes anything waits for all of them.
    ...groups.flatMap(({ copy }) => readySteps({ copy, aside }).map((step) => ({ step }))),
    ...groups.flatMap((group) => drafted(group, revertSteps({ copy: group.copy, aside }))),
  ]
}
