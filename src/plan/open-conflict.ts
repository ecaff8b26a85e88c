import type { Call } from '../call/call.js'
import type { GuestState } from '../model/guest.js'
import { accessConflicts, openedByGuest, sameOpener } from '../model/opening.js'
import type { Access, Opener, Opening } from '../model/opening.js'
import { opensIn } from './opens.js'
import { ends, starts } from './opens-live.js'
import type { Chains } from './opens-index.js'
import type { Step } from './plan.js'

/**
 * Two who cannot have an image open at once: who wants it and how, and who has it.
 *
 * @since 0.2.0
 */
export interface OpenConflict {
  readonly image: string
  readonly wants: Access
  readonly by: Opener
  readonly held: Opening
}

/** Openings by image. */
export type Held = ReadonlyMap<string, ReadonlyArray<Opening>>

/** Openings, to be found by image. */
export const heldBy = (openings: ReadonlyArray<Opening>): Held => {
  const held = new Map<string, Array<Opening>>()
  for (const opening of openings) {
    const known = held.get(opening.image)
    if (known === undefined) held.set(opening.image, [opening])
    else known.push(opening)
  }
  return held
}

/** What stands against openings, by what is open already: in the order of the openings. */
export const openConflicts = (opens: ReadonlyArray<Opening>, held: Held): ReadonlyArray<OpenConflict> =>
  opens.flatMap(({ image, access, by }) =>
    (held.get(image) ?? [])
      .filter((one) => !sameOpener(one.by, by) && accessConflicts(access, one.access))
      .map((one) => ({ image, wants: access, by, held: one })),
  )

/** A conflict in a plan; `step` counts from 0. */
export interface StepConflict extends OpenConflict {
  readonly step: number
}

/** Whom a plan has to reckon with: what the guest has open follows from its state, `opened` is all others. */
export interface Openers {
  readonly guest: GuestState
  readonly opened: ReadonlyArray<Opening>
}

/** The images that the guest is seen to read, base first, where a step looks at the guest itself. */
const pathSeen = ({ call, until }: Step): ReadonlyArray<string> | undefined =>
  until?._tag === 'ChainIs' && call._tag !== 'QemuImg' ? until.images.map(({ image }) => image) : undefined

const guestOpens = (path: ReadonlyArray<string>): ReadonlyArray<Opening> =>
  path.map((image, index) => ({ image, by: { _tag: 'ThisGuest' }, access: index < path.length - 1 ? 'read' : 'write' }))

/** Whether the guest has its images open after a call; a paused one has them as a running one has. */
const guestAfter = (guest: GuestState, call: Call): GuestState => {
  if (call._tag !== 'Libvirt') return guest
  if (ends(call.function)) return 'shut-off'
  return starts(call.function) ? 'running' : guest
}

/**
 * The steps of a plan that open what somebody else has open. What the guest has open changes when its chain is seen to have
 * changed, and when the plan ends or starts the guest. `also` adds openings that a call does not show by itself. Nothing is looked at
 * where nobody has anything open.
 */
export const stepConflicts = (
  { before, after, steps }: Chains & { readonly steps: ReadonlyArray<Step> },
  { guest, opened }: Openers,
  also: (call: Call) => ReadonlyArray<Opening> = () => [],
): ReadonlyArray<StepConflict> => {
  if (guest === 'shut-off' && opened.length === 0) return []
  const opens = opensIn({ before, after })
  let state = guest
  let held = heldBy([...openedByGuest(before, guest), ...opened])
  return steps.flatMap((step, index) => {
    const { call } = step
    const found = openConflicts([...opens(call, state), ...also(call)], held)
    const now = guestAfter(state, call)
    const seen = pathSeen(step)
    if (now !== state) held = heldBy([...openedByGuest(after, now), ...opened])
    else if (seen !== undefined && state !== 'shut-off') held = heldBy([...guestOpens(seen), ...opened])
    state = now
    return found.map((conflict) => ({ ...conflict, step: index }))
  })
}
