// Machines to begin with, and what is done to them.

import { afterRevert } from './expected.js'
import { nextSecond, type Session } from './session.js'

/** Reverts with libvirt itself. */
export const revertTo = async (session: Session, to: string): Promise<void> => {
  await nextSecond()
  await session.virsh('snapshot-revert', to, '--running')
  session.note((of) => afterRevert(of, to))
}

/** `s1`, `s2` and `s3`, one after the other, each with other bytes, and the guest has written since. */
export const three = async (session: Session): Promise<void> => {
  for (const name of ['s1', 's2', 's3']) await session.taken(name)
  await session.write(14, 'p')
}

/** `s1` and `s2`; from that `s3`, and back to it `s4`. */
export const fork = async (session: Session): Promise<void> => {
  await three(session)
  await revertTo(session, 's2')
  await session.taken('s4')
  await session.write(15, 'q')
}

/** Like `fork`, and the guest is at `s2` again with nothing taken there. */
export const bareFork = async (session: Session): Promise<void> => {
  await three(session)
  await revertTo(session, 's2')
  await session.write(15, 'q')
}

/** Shuts the guest off where it shall be. */
export const brought = async (session: Session, guest: 'running' | 'shut-off'): Promise<void> => {
  if (guest === 'shut-off') await session.virsh('destroy')
}
