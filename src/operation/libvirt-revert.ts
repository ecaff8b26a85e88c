import * as E from 'fp-ts/lib/Either.js'

import type { GuestState } from '../model/guest.js'
import type { Machine } from '../model/machine.js'
import { childOf } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import type { LibvirtRecords } from './libvirt-delete-record.js'
import { insideRefusal, overlaysOf, revertValidated } from './libvirt-revert-guard.js'
import type { LibvirtOverlay, LibvirtRevertRefusal, LibvirtRevertRequest, RevertFacts } from './libvirt-revert-guard.js'
import { definitionAfterRevert, recordsAfterRevert } from './libvirt-revert-record.js'
import { revertRefusal } from './libvirt-rule.js'
import { libvirtTree } from './libvirt-tree.js'

/**
 * What libvirt 11.3 does when it reverts to a snapshot, and what it has written down afterwards.
 *
 * - `overlays`: the images that it makes, on the images that its record names; none at a revert to an internal snapshot.
 * - `inside`: where it restores an internal snapshot instead.
 * - `unlinked`: the files that go: what it believes to be the overlays of the present.
 * - `memory`: the file from which the guest's memory is loaded.
 * - `definition`: the `<domain>` that is persistent from then on; every change since the snapshot is gone from it.
 * - `guest`: what the guest does afterwards. One that ran has been stopped in between, always.
 *
 * @since 0.2.0
 */
export interface LibvirtRevert extends LibvirtRecords {
  readonly snapshot: string
  readonly overlays: ReadonlyArray<LibvirtOverlay>
  readonly inside: ReadonlyArray<{ readonly disk: string; readonly path: string }>
  readonly unlinked: ReadonlyArray<string>
  readonly memory: string | undefined
  readonly definition: XmlElement
  readonly guest: GuestState
}

const guestAfter = ({ snapshot, request: { flags } }: RevertFacts): GuestState => {
  const live = snapshot.state === 'running' || snapshot.state === 'paused'
  if (flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING')) return 'running'
  if (flags.includes('VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED') || snapshot.state === 'paused') return 'paused'
  return live ? 'running' : 'shut-off'
}

/** What is noted down of the current snapshot's revert, or else the overlays that it once made. */
const unlinkedBy = ({ tree }: RevertFacts): ReadonlyArray<string> => {
  const current = tree.current === undefined ? undefined : tree.snapshots.get(tree.current)
  if (current === undefined) return []
  const { disks, revertDisks } = current
  const noted = childOf(current.record, 'revertDisks') === undefined ? disks : revertDisks
  return Array.from(noted.values()).flatMap(({ mode, path }) =>
    mode === 'external' && path !== undefined ? [path] : [],
  )
}

const externalRevert = (facts: RevertFacts): E.Either<LibvirtRevertRefusal, LibvirtRevert> => {
  const overlays = overlaysOf(facts)
  if (E.isLeft(overlays)) return overlays
  if (facts.tree.current === undefined) return E.left({ ...revertRefusal.R8(), guest: 'shut-off' })
  return E.right({
    ...recordsAfterRevert(facts, overlays.right),
    snapshot: facts.snapshot.name,
    overlays: overlays.right,
    inside: [],
    unlinked: unlinkedBy(facts),
    memory: facts.snapshot.memory,
    definition: definitionAfterRevert(facts, overlays.right),
    guest: guestAfter(facts),
  })
}

const internalRevert = (facts: RevertFacts): E.Either<LibvirtRevertRefusal, LibvirtRevert> => {
  const refusal = insideRefusal(facts)
  if (refusal !== undefined) return E.left(refusal)
  const { snapshot } = facts
  return E.right({
    records: new Map(Array.from(facts.tree.snapshots.values(), ({ name, record }) => [name, record])),
    current: snapshot.name,
    snapshot: snapshot.name,
    overlays: [],
    inside: Array.from(snapshot.disks).flatMap(([disk, { mode }]) => {
      const path = snapshot.sources.get(disk)?.path
      return mode === 'internal' && path !== undefined ? [{ disk, path }] : []
    }),
    unlinked: [],
    memory: undefined,
    definition: definitionAfterRevert(facts, []),
    guest: guestAfter(facts),
  })
}

/**
 * Foresees what libvirt 11.3 does when it is asked to revert to a snapshot, by its records and the chains as they are.
 *
 * Gives libvirt's own refusal instead, with its text and what the guest does after it: R0 where it has no record, then R1, R4, R2,
 * R3 while nothing has happened; R6, R5, R7 and R8 with the guest already stopped. `virDomainRevertToSnapshot`, libvirt 11.3.0.
 *
 * @since 0.2.0
 */
export const predictRevert = (
  machine: Machine,
  name: string,
  request: LibvirtRevertRequest,
): E.Either<LibvirtRevertRefusal, LibvirtRevert> => {
  const tree = libvirtTree(machine)
  const snapshot = tree.snapshots.get(name)
  if (snapshot === undefined) return E.left({ ...revertRefusal.R0({ snapshot: name }), guest: machine.state })
  const facts: RevertFacts = { machine, tree, snapshot, request }
  const refusal = revertValidated(facts)
  if (refusal !== undefined) return E.left({ ...refusal, guest: machine.state })
  return snapshot.kind === 'external' ? externalRevert(facts) : internalRevert(facts)
}
