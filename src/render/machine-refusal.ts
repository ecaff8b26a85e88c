import { nameText } from '../model/print-picture.js'
import type { OwedSnapshot } from '../model/owed.js'
import type { SavedPlace } from '../model/saved-state.js'
import type { PinChange, PinConflict } from '../plan/pin-conflict.js'
import type { CopyProblem, Loss, MachineAlternative, MachineRefusal } from '../plan/machine-refusal.js'
import type { PassedOver } from '../plan/passed-over.js'
import { alternativeText, names, statesText, viaText } from './alternative.js'
import { passedText } from './level.js'
import { explainRefusal } from './refusal.js'

type Refusals = { readonly [R in MachineRefusal as R['_tag']]: R }
type Alternatives = { readonly [A in MachineAlternative as A['_tag']]: A }

const lossText = ({ snapshot, disk, image }: Loss): string =>
  snapshot === undefined
    ? `what the guest has written since, on disk ${nameText(disk)} (image ${nameText(image)})`
    : `${nameText(snapshot)} on disk ${nameText(disk)} (image ${nameText(image)})`

const placeText = (place: SavedPlace): string =>
  place.kind === 'managed' ? 'The managed saved state' : `The state saved in ${JSON.stringify(place.path)}`

const becomes: { readonly [C in PinChange]: readonly [then: string, now: string] } = {
  written: ['would be written', 'has been written'],
  gone: ['would be there no more', 'is not there'],
  renamed: ['would be renamed', 'has been renamed'],
  resized: ['would have another size', 'has another size'],
  reformatted: ['would have another format', 'has another format'],
  repointed: ['would lie on another image', 'lies on another image'],
  'not active': ['would not be the active image', 'is not the active image'],
}

const conflictText = ({ disk, path, change }: PinConflict): string =>
  `on disk ${nameText(disk)}, ${JSON.stringify(path)} ${becomes[change][0]}`

const nowText = ({ disk, path, change }: PinConflict): string =>
  `on disk ${nameText(disk)}, ${JSON.stringify(path)} ${becomes[change][1]}`

const owedText = (owed: ReadonlyArray<OwedSnapshot>): string =>
  owed
    .map(({ disk, image, snapshot }) => `${nameText(snapshot)} inside ${nameText(image)} (disk ${nameText(disk)})`)
    .join(', ')

const goneBecause = {
  lost: 'no image holds it any more',
  manual: 'somebody else has saved it',
  'disk gone': 'the machine no longer has the disk',
  'left out': 'the snapshot left it out',
} as const

const unfitBecause: { readonly [P in CopyProblem]: string } = {
  'another chain': 'the guest has gone on in another image since, or reads it through others',
  'images since': 'images that have been made or moved since would go, or what others read has been removed since',
  overlays: 'other images read what would go back, and could show something else',
  'left out': 'nothing that a level has of it was given',
  'same subvolume': 'it, or its copy, is in a subvolume that goes back or away, and was not given with it',
  'in use': 'an image of the machine, or of one of its snapshots, is where the copy is',
  'other snapshot': 'what was given is of several snapshots, or twice of one disk',
}

/** A refusal inside is told in the same words. */
const passedLine = ({ why, ...rest }: PassedOver<MachineRefusal>): string =>
  `* ${passedText({
    ...rest,
    why: why._tag === 'TakeRefuses' ? { ...why, refusal: explainMachineRefusal(why.refusal) } : why,
  })}`

/** What each refusal says; one that is missing here does not compile. */
const texts: { readonly [T in keyof Refusals]: (refusal: Refusals[T]) => string } = {
  SnapshotNotFound: ({ snapshot }) => `The machine has no snapshot ${nameText(snapshot)}.`,
  SnapshotNameWrong: ({ snapshot, why }) =>
    ({
      taken: `The machine has a snapshot ${nameText(snapshot)} already.`,
      invalid: `No snapshot can be named ${JSON.stringify(snapshot)}.`,
      digits: `Inside an image ${JSON.stringify(snapshot)} could not be told from the number of another snapshot.`,
    })[why],
  DiskNotFound: ({ disk }) => `The machine has no disk ${nameText(disk)}.`,
  NothingSelected: () => 'Nothing was selected.',
  GuestStateWrong: ({ via, guest, needs }) =>
    `The machine is ${statesText([guest])}; through ${viaText(via)} this needs one that is ${statesText(needs)}.`,
  CapabilityMissing: ({ missing }) =>
    `The host lacks ${missing
      .map(
        ({ feature, program, since, found }) => `\`${feature}\` (${program} ${since}; found: ${found ?? 'no version'})`,
      )
      .join(', ')}.`,
  NotThisWay: ({ via, why }) => `This cannot be done through ${viaText(via)}: ${why}.`,
  JobActive: ({ disk, job, kind }) => `The ${kind} job ${nameText(job)} is still at work on disk ${nameText(disk)}.`,
  ManagedSavePresent: ({ domain }) =>
    `The domain ${nameText(domain)} has a saved state, which would be resumed on the old chains.`,
  StateSaved: ({ place, conflicts }) =>
    `${placeText(place)} has to be restored on the disks as they are: ${conflicts.map(conflictText).join('; ')}.`,
  StateUnfit: ({ place, conflicts, why }) =>
    why === 'written since'
      ? `${placeText(place)} no longer fits the disks: they have been written since.`
      : `${placeText(place)} no longer fits the disks: ${conflicts.map(nowText).join('; ')}.`,
  StateNotFound: ({ place }) =>
    place.kind === 'managed'
      ? 'The machine has no managed saved state.'
      : `The machine has no state saved in ${JSON.stringify(place.path)}.`,
  AgentAbsent: () => 'The guest agent does not answer, so file systems cannot be frozen.',
  KindsMixed: ({ why }) => `These kinds of snapshot cannot be taken together: ${why}.`,
  PathTaken: ({ disk, path, by }) => `For disk ${nameText(disk)}, ${JSON.stringify(path)} is taken: ${by}.`,
  DiskRefused: ({ disk, refusal }) => `On disk ${nameText(disk)}: ${explainRefusal(refusal)}`,
  PointsLost: ({ lost, why }) => `This would be lost: ${lost.map(lossText).join('; ')} (${why}).`,
  PointGone: ({ snapshot, disks, why }) =>
    `${nameText(snapshot)} cannot be had on ${disks.length === 1 ? 'disk' : 'disks'} ${names(disks)}: ${goneBecause[why]}.`,
  SnapshotsInvalidated: ({ snapshots, disk }) =>
    `On disk ${nameText(disk)} these snapshots would name a file that has gone, or that shows something else: ${names(snapshots)}.`,
  LibvirtRefuses: ({ function: of, snapshot, rule, desc }) =>
    `libvirt refuses ${of} of ${nameText(snapshot)} (${rule}): ${desc}`,
  LibvirtLoses: ({ function: of, snapshot, lost, why }) =>
    `libvirt would do ${of} of ${nameText(snapshot)}, and lose ${lost.map(lossText).join('; ')} (${why}).`,
  LibvirtDiffers: ({ function: of, snapshot, why }) =>
    `What libvirt has written down is not what is so, and its ${of} of ${nameText(snapshot)} would follow it: ${why}.`,
  OwedTooMany: ({ owed, most }) => `${owedText(owed)} is still to be deleted, and no more than ${String(most)} may be.`,
  OwedStillOpen: ({ owed, event }) =>
    `${owedText(owed)} cannot be deleted yet: ${
      event === 'rebooted' ? 'the guest has rebooted, and its QEMU' : 'the guest has migrated, and the QEMU there'
    } still has the images open.`,
  RecordMissing: ({ snapshot, why }) => `There is no record of ${nameText(snapshot)}: ${why}.`,
  NoLevelFits: ({ disk, passed }) =>
    [`No level can take this snapshot of disk ${nameText(disk)}:`, ...passed.map(passedLine)].join('\n'),
  CopyUnfit: ({ snapshot, disk, why }) =>
    `What a level has of disk ${nameText(disk)} in ${nameText(snapshot)} cannot come back, or be deleted: ${unfitBecause[why]}.`,
}

const ways: { readonly [T in keyof Alternatives]: (alternative: Alternatives[T]) => string } = {
  How: ({ how }) => (how === 'libvirt' ? "use libvirt's own function" : 'do it by hand'),
  Direction: ({ direction }) => `let the data go another way (\`direction: '${direction}'\`)`,
  DeleteFirst: ({ snapshots }) => `delete ${names(snapshots)} first`,
  Forget: ({ snapshots }) => `forget ${names(snapshots)}`,
  TakeFirst: () => 'take a snapshot of the present first',
  CarryMetadata: () => "have the records follow (`metadata: 'carry'`)",
  KeepPresent: () => "keep the present (`present: 'keep'`)",
  RestoreFirst: () => 'restore the state first, and do it while the guest runs',
  DropState: ({ place }) =>
    `drop ${place.kind === 'managed' ? 'the managed saved state' : `the state saved in ${JSON.stringify(place.path)}`}: the memory that it keeps is lost`,
  RepointState: () => "have the state follow the disks (`saved: 'repoint'`)",
  KeepMemory: () => "keep the file of the memory (`memory: 'keep'`)",
  Quiesce: ({ quiesce }) => `ask for less (\`quiesce: '${quiesce}'\`)`,
  UseAnotherName: ({ taken }) => alternativeText({ _tag: 'UseAnotherName', taken }),
  Via: ({ via, guest }) => alternativeText({ _tag: 'Via', via, guest }),
  Settle: ({ event }) => (event === 'now' ? 'settle what is owed now' : 'settle it once the guest has stopped'),
  Accept: ({ tag }) => alternativeText({ _tag: 'Accept', tag }),
}

const textOf = <T extends keyof Refusals>(tag: T, refusal: Refusals[T]): string => texts[tag](refusal)
const wayOf = <T extends keyof Alternatives>(tag: T, alternative: Alternatives[T]): string => ways[tag](alternative)

/**
 * Says in plain English why there is no plan for a machine, with the facts, and which other ways there are, one a line.
 *
 * @example
 * import { explainMachineRefusal } from 'backing-chain'
 *
 * explainMachineRefusal({ _tag: 'SnapshotNotFound', snapshot: 'monday', alternatives: [] }) // => 'The machine has no snapshot monday.'
 *
 * @since 0.2.0
 */
export const explainMachineRefusal = (refusal: MachineRefusal): string => {
  const lines = refusal.alternatives.map((alternative) => `- ${wayOf(alternative._tag, alternative)}`)
  return [textOf(refusal._tag, refusal), ...(lines.length === 0 ? [] : ['Instead:', ...lines])].join('\n')
}
