import type { Assumption } from '../plan/assumption.js'
import { nameText } from '../model/print-picture.js'
import { names } from './alternative.js'
import { sizeText } from './size.js'

type ByTag = { readonly [A in Assumption as A['_tag']]: A }

/** What each assumption says; one that is missing here does not compile. */
const texts: { readonly [T in keyof ByTag]: (assumption: ByTag[T]) => string } = {
  NoOtherReaders: ({ images }) => `nobody else reads ${names(images)}`,
  Writable: ({ images }) => `QEMU can open for writing: ${names(images)}`,
  NothingAt: ({ path }) => `there is no file yet at ${JSON.stringify(path)}`,
  MadeBefore: ({ image, path }) => `${nameText(image)} has been made before, at ${JSON.stringify(path)}`,
  HoldsNothing: ({ image, path }) => `${nameText(image)}, at ${JSON.stringify(path)}, holds no data of its own yet`,
  NoManagedSave: ({ domain }) =>
    `the domain ${nameText(domain)} has no saved state, which would be resumed on the old chain`,
  SnapshotsGo: ({ image, snapshots }) => `internal snapshots of ${nameText(image)} are lost: ${names(snapshots)}`,
  SameContents: ({ left, right }) => `a guest reads the same from ${nameText(left)} and from ${nameText(right)}`,
  Closed: ({ images }) => `no program has these open: ${names(images)}`,
  StartsWith: ({ image, path, from }) =>
    `from step ${from} on (counted from 0), the guest is started with ${nameText(image)}, at ${JSON.stringify(path)}`,
  DeviceHolds: ({ image, sizeBytes }) =>
    `the device of ${nameText(image)} has room for ${sizeText(sizeBytes)} and metadata`,
  RoomFor: ({ image, sizeBytes }) =>
    `where ${nameText(image)} goes there is room for ${sizeText(sizeBytes)} and metadata; where it is full, writes of the guest fail`,
  HeadersLead: ({ images }) =>
    `the backing strings stored in these lead to the images that they stand for: ${names(images)}`,
  NoKillBeforeFlush: ({ image, oldHeader }) =>
    `QEMU is not killed between the rewrite of the header of ${nameText(image)} and the flush; if it is, the backing string ${JSON.stringify(oldHeader)} repairs it`,
  BitmapsStop: ({ image, bitmaps }) =>
    `nobody needs the bitmaps of ${nameText(image)} to follow the guest on: ${names(bitmaps)}`,
  StaysInside: ({ image, snapshot }) =>
    `until ${nameText(snapshot)} inside ${nameText(image)} has been copied nobody deletes or loads it, or writes to what lies below: no lock is in his way, and the copy would be wrong without a word`,
}

const textOf = <T extends keyof ByTag>(tag: T, assumption: ByTag[T]): string => texts[tag](assumption)

/** An assumption as a phrase that follows "Assumed:". */
export const assumptionText = (assumption: Assumption): string => textOf(assumption._tag, assumption)
