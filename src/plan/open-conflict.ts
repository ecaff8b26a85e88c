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

/** The socket of the storage daemon that a call starts or goes to. */
const socketOf = ({ call, until }: Step): string | undefined =>
  call._tag === 'Qmp' ? call.socket : until?._tag === 'Daemon' ? until.socket : undefined

/** What the storage daemons that a plan has started have open, by their sockets: until they are gone. */
const daemonsAfter = (
  daemons: ReadonlyMap<string, ReadonlyArray<Opening>>,
  step: Step,
  opens: ReadonlyArray<Opening>,
): ReadonlyMap<string, ReadonlyArray<Opening>> => {
  const socket = socketOf(step)
  if (socket === undefined) return daemons
  const { call, until } = step
  const left = new Map(daemons)
  if (until?._tag === 'Daemon' && until.status === 'gone') left.delete(socket)
  else if (call._tag === 'StorageDaemon') left.set(socket, opens)
  return left
}

/** What others have open than the daemon that a step is for. */
const byDaemons = (daemons: ReadonlyMap<string, ReadonlyArray<Opening>>, step: Step): Held =>
  heldBy(Array.from(daemons).flatMap(([socket, opens]) => (socket === socketOf(step) ? [] : opens)))

/**
 * The steps of a plan that open what somebody else has open, or a storage daemon that the plan itself has started. What the guest has open changes when its chain is seen to have
 * changed, and when the plan ends or starts the guest. `also` adds openings that a call does not show by itself. Nothing is looked at
 * where nobody has anything open.
 */
export const stepConflicts = (
  { before, after, steps }: Chains & { readonly steps: ReadonlyArray<Step> },
  { guest, opened }: Openers,
  also: (call: Call) => ReadonlyArray<Opening> = () => [],
): ReadonlyArray<StepConflict> => {
  if (guest === 'shut-off' && opened.length === 0 && !steps.some(({ call }) => call._tag === 'StorageDaemon')) return []
  const opens = opensIn({ before, after })
  let state = guest
  let held = heldBy([...openedByGuest(before, guest), ...opened])
  let daemons: ReadonlyMap<string, ReadonlyArray<Opening>> = new Map()
  return steps.flatMap((step, index) => {
    const { call } = step
    const wanted = [...opens(call, state), ...also(call)]
    const found = [...openConflicts(wanted, held), ...openConflicts(wanted, byDaemons(daemons, step))]
    daemons = daemonsAfter(daemons, step, wanted)
    const now = guestAfter(state, call)
    const seen = pathSeen(step)
    if (now !== state) held = heldBy([...openedByGuest(after, now), ...opened])
    else if (seen !== undefined && state !== 'shut-off') held = heldBy([...guestOpens(seen), ...opened])
    state = now
    return found.map((conflict) => ({ ...conflict, step: index }))
  })
}
