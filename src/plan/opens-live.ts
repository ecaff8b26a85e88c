import type { LibvirtCall } from '../call/libvirt.js'
import type { BlockdevAdd, QmpCommand, TransactionAction } from '../call/qmp.js'
import { activeImage, activePath, span } from '../model/chain-query.js'
import type { Image } from '../model/image.js'
import { at, chained, ofNode } from './opens-index.js'
import type { Index, Open } from './opens-index.js'

type Images = ReadonlyArray<Image>

/**
 * What a commit needs for itself: the base, which it writes, all above it, which shows something in between until the job has ended,
 * and those overlays whose headers change that QEMU has open.
 */
const committed = ({ before, after }: Index, [base]: Images, [top]: Images): Images => {
  const open = new Set(activePath(before).map(({ name }) => name))
  const repointed = Array.from(before.images.values()).filter(
    ({ name, backing: was, node }) =>
      was?.image === top?.name &&
      after.images.get(name)?.backing?.image !== was?.image &&
      (open.has(name) || node !== undefined),
  )
  return [...(span(before, base?.name ?? '', top?.name ?? '') ?? []), ...(top === undefined ? [] : repointed)]
}

/** The images that there are afterwards and were not before. */
const created = ({ before, after }: Index): Images =>
  Array.from(after.images.values()).filter(({ name }) => !before.images.has(name))

/** A storage node that is read-only by itself is open for what the format node above it does. */
const addOpens = (index: Index, { arguments: options }: BlockdevAdd): ReadonlyArray<Open> => {
  const access = options['read-only'] === true ? 'read' : 'write'
  if ('filename' in options)
    return [[at(index, options.filename), options['auto-read-only'] === true ? 'header' : access]]
  return [[ofNode(index, options.file), access]]
}

/** The image that gets a snapshot inside, which whoever reads past the locks does not notice, or a copy. */
const writtenBy = (index: Index, action: TransactionAction): Images => {
  if (action.type === 'blockdev-backup') return ofNode(index, action.data.target)
  return action.type === 'blockdev-snapshot-internal-sync' ? ofNode(index, action.data.device) : []
}

/** What a monitor command has QEMU open, besides what the guest has open by itself. */
export const qmpOpens = (index: Index, command: QmpCommand): ReadonlyArray<Open> => {
  if (command.execute === 'block-commit') {
    const { device, 'top-node': top, 'base-node': base } = command.arguments
    return [[committed(index, ofNode(index, base), ofNode(index, top ?? device)), 'write']]
  }
  if (command.execute === 'block-stream') return [[ofNode(index, command.arguments.device), 'write']]
  if (command.execute === 'blockdev-mirror' || command.execute === 'blockdev-backup')
    return [[ofNode(index, command.arguments.target), 'write']]
  if (command.execute === 'transaction')
    return [[command.arguments.actions.flatMap((action) => writtenBy(index, action)), 'write']]
  if (command.execute === 'blockdev-snapshot-delete-internal-sync')
    return [[ofNode(index, command.arguments.device), 'write']]
  if (command.execute === 'snapshot-load' || command.execute === 'snapshot-delete')
    return [[command.arguments.devices.flatMap((node) => ofNode(index, node)), 'write']]
  if (command.execute === 'blockdev-create') {
    const { options } = command.arguments
    return [[options.driver === 'file' ? at(index, options.filename) : ofNode(index, options.file), 'write']]
  }
  return command.execute === 'blockdev-add' ? addOpens(index, command) : []
}

/** True for what starts the guest. */
export const starts = ({ call }: LibvirtCall): boolean =>
  call === 'virDomainCreateWithFlags' || call === 'virDomainRestoreFlags'

/** True for what ends the guest's QEMU. */
export const ends = ({ call }: LibvirtCall): boolean =>
  call === 'virDomainDestroyFlags' || call === 'virDomainManagedSave' || call === 'virDomainSaveFlags'

/** What makes images, or fills those that were made for it. */
const makes: ReadonlySet<LibvirtCall['call']> = new Set([
  'virDomainBlockCopy',
  'virDomainSnapshotCreateXML',
  'virDomainBackupBegin',
])

/** What a libvirt call has opened, besides what the guest has open by itself. */
export const libvirtOpens = (index: Index, call: LibvirtCall): ReadonlyArray<Open> => {
  if (call.call === 'virDomainBlockCommit') {
    const { base, top } = call.arguments
    return [[committed(index, at(index, base), at(index, top)), 'write']]
  }
  if (call.call === 'virDomainBlockPull' || call.call === 'virDomainBlockRebase')
    return [[[activeImage(index.before)], 'write']]
  if (starts(call)) return chained(index, [activeImage(index.after)], 'write')
  return makes.has(call.call) ? [[created(index), 'write']] : []
}
