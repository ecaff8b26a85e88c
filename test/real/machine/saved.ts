// Guests whose memory is saved: the states as libvirt prints them.

import { expect } from 'vitest'
import { pinnedBy } from 'backing-chain'
import type { Machine, SavedState } from 'backing-chain'
import { decodeSavedState } from 'backing-chain/codec'
import { withMachine } from '../../../src/model/machine.js'
import { writtenSince } from '../../../src/model/saved-state.js'
import { right } from '../harness/tree.js'
import type { Looked, Session } from './session.js'

const printed = async ({ virsh, stage }: Session, { place, guest, disks }: SavedState): Promise<SavedState> => {
  const text =
    place.kind === 'managed'
      ? await virsh('managedsave-dumpxml', '--security-info')
      : await stage.libvirt.ask('save-image-dumpxml', place.path, '--security-info')
  return { ...right(decodeSavedState(text, { place, guest })), disks }
}

/** What the states pin that fit the disks. */
const pinsOf = (machine: Machine): ReadonlyArray<unknown> =>
  machine.saved.filter(({ disks }) => disks === 'as saved').map((saved) => [...pinnedBy(saved, machine)])

/** A machine that has been looked at, with states that are there: as libvirt prints them, they pin what was foreseen. */
export const withStates = async (
  session: Session,
  { seen, machine }: Looked,
  states: ReadonlyArray<SavedState>,
): Promise<Looked> => {
  if (machine.state !== 'shut-off') return { seen, machine: withMachine(machine, { saved: writtenSince(states) }) }
  const saved = await Promise.all(states.map((one) => printed(session, one)))
  const now = withMachine(machine, { saved })
  expect(pinsOf(now)).toEqual(pinsOf(withMachine(machine, { saved: states })))
  return { machine: now, seen }
}
