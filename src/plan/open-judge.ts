import * as E from 'fp-ts/lib/Either.js'

import type { Call } from '../call/call.js'
import { parseQemuImg } from '../call/qemu-img-argv.js'
import type { QemuImgArguments } from '../call/qemu-img-argv.js'
import type { Chain } from '../model/chain.js'
import type { GuestState } from '../model/guest.js'
import { openedByGuest } from '../model/opening.js'
import type { Opening } from '../model/opening.js'
import { heldBy, openConflicts } from './open-conflict.js'
import type { OpenConflict } from './open-conflict.js'
import { opensIn } from './opens.js'

/**
 * What asks the QEMU that has an image open for the same: a monitor command, and libvirt's function for a domain.
 *
 * @since 0.2.0
 */
export interface Instead {
  readonly qmp: string
  readonly libvirt: string
}

/**
 * A call that is in somebody's way, and what to ask that one for instead; nothing where there is nobody to ask, or nothing that
 * does the same.
 *
 * @since 0.2.0
 */
export interface CallConflict extends OpenConflict {
  readonly instead: Instead | undefined
}

const look: Instead = { qmp: 'query-named-block-nodes', libvirt: 'virDomainGetBlockInfo' }

const ofSnapshot = ({ options }: QemuImgArguments): Instead => {
  if (options.has('-c')) return { qmp: 'blockdev-snapshot-internal-sync', libvirt: 'virDomainSnapshotCreateXML' }
  if (options.has('-d')) return { qmp: 'blockdev-snapshot-delete-internal-sync', libvirt: 'virDomainSnapshotDelete' }
  return options.has('-a')
    ? { qmp: 'snapshot-load', libvirt: 'virDomainRevertToSnapshot' }
    : { qmp: look.qmp, libvirt: 'virDomainListAllSnapshots' }
}

/** What a running QEMU does itself of what qemu-img does to a file at rest. */
const insteadOf = (parsed: QemuImgArguments): Instead | undefined => {
  switch (parsed.command) {
    case 'snapshot':
      return ofSnapshot(parsed)
    case 'commit':
      return { qmp: 'block-commit', libvirt: 'virDomainBlockCommit' }
    case 'rebase':
      return { qmp: 'block-stream', libvirt: 'virDomainBlockRebase' }
    case 'resize':
      return { qmp: 'block_resize', libvirt: 'virDomainBlockResize' }
    case 'convert':
      return parsed.options.has('-l') ? undefined : { qmp: 'blockdev-backup', libvirt: 'virDomainBackupBegin' }
    case 'bitmap':
      return { qmp: 'block-dirty-bitmap-add', libvirt: 'virDomainCheckpointCreateXML' }
    case 'info':
    case 'map':
    case 'measure':
      return look
    case 'amend':
    case 'check':
    case 'compare':
    case 'create':
      return undefined
  }
}

const insteadFor = (call: Call, { by }: Opening): Instead | undefined => {
  if (call._tag !== 'QemuImg' || (by._tag !== 'ThisGuest' && by._tag !== 'OtherGuest')) return undefined
  const parsed = parseQemuImg(call.argv)
  return E.isRight(parsed) ? insteadOf(parsed.right) : undefined
}

/**
 * Judges one call, whoever wants to make it, by who has the images open: what QEMU's locks would refuse, and what must not be done
 * even where there are no locks. None of it depends on whether an image is being written just then: it is enough that it is
 * open.
 *
 * `guest` says what the machine of the chain has open by itself, `opened` who else has what. Images that are not in the chain
 * are not judged.
 *
 * @example
 * import { judgeCall, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- active^')
 * const call = { _tag: 'QemuImg', argv: ['qemu-img', 'snapshot', '-c', 'monday', '/images/active'] } as const
 * const found = E.isRight(parsed) ? judgeCall(call, { chain: parsed.right.chain, guest: 'paused' }) : []
 * found.map(({ image, wants, instead }) => [image, wants, instead?.qmp])
 * // => [['active', 'write', 'blockdev-snapshot-internal-sync']]
 *
 * @since 0.2.0
 */
export const judgeCall = (
  call: Call,
  {
    chain,
    guest,
    opened = [],
  }: { readonly chain: Chain; readonly guest: GuestState; readonly opened?: ReadonlyArray<Opening> },
): ReadonlyArray<CallConflict> => {
  const opens = opensIn({ before: chain, after: chain })(call, guest)
  return openConflicts(opens, heldBy([...openedByGuest(chain, guest), ...opened])).map((conflict) => ({
    ...conflict,
    instead: insteadFor(call, conflict.held),
  }))
}
