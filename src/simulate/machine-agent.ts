import * as E from 'fp-ts/lib/Either.js'

import type { AgentCommand } from '../call/agent.js'
import { libvirtRefuses, unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { guestOf } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import type { MachineOutcome } from './machine-process.js'

/** What libvirt says where the guest agent is needed and cannot answer. */
export const agentRefusal = (machine: MachineWorld): E.Either<Fault<never>, never> | undefined => {
  if (guestOf(machine) !== 'running') return libvirtRefuses('Requested operation is not valid: domain is not running')
  if (machine.agent === 'absent') return libvirtRefuses('argument unsupported: QEMU guest agent is not configured')
  return machine.frozen ? unmodelled('freezing file systems that are frozen') : undefined
}

/** `virDomainFSFreeze` and `virDomainFSThaw`. Thawing what is not frozen does nothing. */
export const freezeOrThaw = (machine: MachineWorld, frozen: boolean): MachineOutcome => {
  const refused = agentRefusal(frozen ? machine : { ...machine, frozen: false })
  return refused ?? E.right({ ...machine, frozen })
}

/** A command to the guest agent itself. An agent that is not there, or whose guest is paused, does not answer. */
export const performAgent = (machine: MachineWorld, { execute }: AgentCommand): MachineOutcome => {
  if (machine.agent === 'absent' || guestOf(machine) !== 'running')
    return E.left({ _tag: 'Refused', by: 'guest agent', class: 'timeout', desc: 'the guest agent does not answer' })
  const frozen = execute === 'guest-fsfreeze-freeze'
  return frozen && machine.frozen
    ? unmodelled('freezing file systems that are frozen')
    : E.right({ ...machine, frozen })
}
