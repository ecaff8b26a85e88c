import type { LibvirtCall } from '../../call/libvirt.js'
import type { QmpCommand } from '../../call/qmp.js'
import type { Wait } from '../../call/wait.js'
import type { Chain } from '../../model/chain.js'
import { path } from '../../model/chain-query.js'
import { placesOf } from '../../model/image.js'
import type { Image } from '../../model/image.js'
import { locationString, pathOf } from '../../model/location.js'
import type { Step } from '../../plan/plan.js'
import type { CommonRequest } from '../request.js'

const withWait = (step: Step, until: Wait | undefined): Step => (until === undefined ? step : { ...step, until })

/** A step through the monitor. */
export const qmp = (command: QmpCommand, why: string, until?: Wait): Step =>
  withWait({ call: { _tag: 'Qmp', command }, why }, until)

/** A step through libvirt. */
export const libvirt = (call: LibvirtCall, why: string, until?: Wait): Step =>
  withWait({ call: { _tag: 'Libvirt', function: call }, why }, until)

/** A run of qemu-img. */
export const qemuImg = (args: ReadonlyArray<string>, why: string, until?: Wait): Step =>
  withWait({ call: { _tag: 'QemuImg', argv: ['qemu-img', ...args] }, why }, until)

/** What a monitor or qemu-img has to report once the chain is as planned: the path of an image, base first. */
export const chainIs = (chain: Chain, upTo: string = chain.active): Wait => ({
  _tag: 'ChainIs',
  disk: chain.disk,
  images: (path(chain, upTo) ?? []).map(({ name, format, location }) => ({
    image: name,
    format,
    location: locationString(location),
  })),
})

/** Unlinks, where the caller wants that, the files of images that nobody reads any more; what is not a file is left to whoever made it. */
export const removals = ({ leftovers }: CommonRequest, dropped: ReadonlyArray<Image>): ReadonlyArray<Step> =>
  (leftovers === 'remove' ? dropped : []).flatMap((image) =>
    filesOf(image).map((file): Step => ({
      call: { _tag: 'Files', operation: 'remove', path: file },
      why: `nobody reads ${JSON.stringify(String(image.name))} any more, and what replaces it is on disk`,
    })),
  )

/** The files of an image that is in one; an image on a device, and what belongs to it, stays. */
const filesOf = (image: Image): ReadonlyArray<string> =>
  (image.location._tag === 'File' ? placesOf(image) : []).flatMap((where) =>
    where._tag === 'File' ? [where.path] : [],
  )

/** The string by which qemu-img is given an image as an operand. */
export const operand = (image: Image): string => pathOf(image.location) ?? locationString(image.location)

/** Removals, with what they rely on flushed before the first one; nothing where nothing goes. */
export const flushedFirst = (flushing: ReadonlyArray<Step>, removing: ReadonlyArray<Step>): ReadonlyArray<Step> =>
  removing.length === 0 ? [] : [...flushing, ...removing]
