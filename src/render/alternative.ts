import type { GuestState } from '../model/guest.js'
import type { Opener } from '../model/opening.js'
import type { Hypervisor } from '../plan/hypervisor.js'
import type { AcceptableTag, Alternative } from '../plan/refusal.js'
import { nameText } from '../model/print-picture.js'
import { sizeText } from './size.js'

/** Names as a list in a sentence. */
export const names = (of: ReadonlyArray<string>): string => {
  const texts = of.map(nameText)
  const last = texts.at(-1)
  return texts.length < 2 ? (last ?? 'none') : `${texts.slice(0, -1).join(', ')} and ${last ?? ''}`
}

/** What a program is called in a sentence. */
export const viaText = (via: Hypervisor['via']): string => viaTexts[via]

const viaTexts: { readonly [V in Hypervisor['via']]: string } = {
  qmp: 'a QEMU monitor',
  libvirt: 'libvirt',
  'qemu-img': 'qemu-img',
  'storage-daemon': 'a qemu-storage-daemon',
}

/** States of the guest in a sentence. */
export const statesText = (states: ReadonlyArray<GuestState>): string =>
  states.map((state) => (state === 'shut-off' ? 'shut off' : state)).join(' or ')

/** Who has an image open, in a sentence. */
export const openerText = (by: Opener): string => {
  switch (by._tag) {
    case 'ThisGuest':
      return 'the guest itself'
    case 'OtherGuest':
      return `the guest ${nameText(by.name)}`
    case 'OtherHost':
      return `the host ${nameText(by.name)}`
    case 'Tool':
      return nameText(by.name)
    case 'Unknown':
      return 'whoever has it open'
  }
}

const accepted: { readonly [T in AcceptableTag]: string } = {
  PlaintextLeak: 'that the data is then stored unencrypted',
  BitmapsLost: 'the loss of the dirty bitmaps',
  InternalSnapshotsLost: 'the loss of the internal snapshots',
}

type ByTag = { readonly [A in Alternative as A['_tag']]: A }

/** What each alternative says; one that is missing here does not compile. */
const texts: { readonly [T in keyof ByTag]: (alternative: ByTag[T]) => string } = {
  PullIntoReaders: ({ readers }) => `pull into each of its readers: ${names(readers)}`,
  PullEverything: ({ into }) => `pull everything into ${nameText(into)}`,
  ActiveCommit: ({ base }) => `commit the active image into ${nameText(base)}`,
  Copy: ({ depth }) => `make a ${depth} copy`,
  Grow: ({ image, toBytes, guest }) =>
    `grow ${nameText(image)} to ${sizeText(toBytes)}${guest === 'shut-off' ? ' while the guest is shut off' : ''}`,
  ExtendDevice: ({ image, toBytes }) => `extend the device of ${nameText(image)} to ${sizeText(toBytes)}`,
  SafeRebase: ({ image }) => `rebase ${nameText(image)} with qemu-img, in its safe mode, while the guest is shut off`,
  Via: ({ via, guest }) => `ask through ${viaText(via)}, with the guest ${statesText(guest)}`,
  KeepLeftovers: () => 'keep the files of the images that nobody reads afterwards',
  GiveHeader: ({ image }) => `give the backing string that ${nameText(image)} is to store`,
  Accept: ({ tag }) => `accept ${accepted[tag]} (\`${tag}\`)`,
  UseAnotherName: ({ taken }) => `use a name that is not taken; these are: ${names(taken)}`,
  WaitForJob: ({ job }) => `wait for the job ${nameText(job)} to end`,
  CloseFirst: ({ image, by }) => `have ${nameText(image)} closed by ${openerText(by)} first`,
}

const textOf = <T extends keyof ByTag>(tag: T, alternative: ByTag[T]): string => texts[tag](alternative)

/** An alternative as a phrase that follows "Instead:". */
export const alternativeText = (alternative: Alternative): string => textOf(alternative._tag, alternative)
