import type { Format } from './format.js'
import type { Location } from './location.js'

/**
 * The name of an image in a chain: any text that is not empty and has no NUL. A name is data; nothing is derived from it.
 *
 * @since 0.1.0
 */
export type ImageName = string & { readonly ImageName: unique symbol }

/**
 * What an overlay says about its backing file: which image it is, and the string and format that its header stores.
 *
 * `header` is kept exactly as stored, relative where it is relative.
 *
 * @since 0.1.0
 */
export interface Backing {
  readonly image: ImageName
  readonly header: string
  readonly format: Format
}

/**
 * A dirty bitmap that lives in an image. `granularityBytes` is a power of two.
 *
 * @since 0.1.0
 */
export interface Bitmap {
  readonly name: string
  readonly granularityBytes: number
  readonly state: 'recording' | 'disabled' | 'inconsistent'
}

/**
 * A snapshot inside a qcow2 file. `vmStateBytes` is 0 where it has no memory, and 1 where a plan foresees memory whose size nobody knows.
 *
 * @since 0.1.0
 */
export interface InternalSnapshot {
  readonly id: string
  readonly name: string
  readonly vmStateBytes: number
}

/**
 * A qcow2 external data file: where the guest's bytes really are. `raw` is QEMU's `data-file-raw`.
 *
 * @since 0.1.0
 */
export interface DataFile {
  readonly location: Location
  readonly layout: 'raw' | 'mapped'
}

/**
 * How a running QEMU knows an image.
 *
 * `owner` is `monitor` for a node that was listed itself at `-blockdev` or `blockdev-add` and stays until `blockdev-del`,
 * `implicit` for one that QEMU opened for its overlay and drops with it. `storage` is the storage node where that one
 * was listed itself too, and so has to be deleted by itself; one that was given inline goes with its format node.
 * `filters` are the filter nodes directly above the format node, lowest first. Node names are valid only in the process
 * that reported them.
 *
 * @since 0.1.0
 */
export interface LiveNode {
  readonly format: string
  readonly storage: string | undefined
  readonly owner: 'monitor' | 'implicit'
  readonly filters: ReadonlyArray<string>
}

/**
 * One image: a file, device or network object with a format and a virtual size.
 *
 * - `sizeBytes`: the virtual size. `clusterBytes`, `allocatedBytes`: where known.
 * - `otherReaders`: who else reads it, outside the chain value (another VM, another host), or `unknown`.
 * - `version`: the qcow2 version (`2` is compat 0.10), where known.
 * - `node`: only while a QEMU that has it open runs.
 *
 * @since 0.1.0
 */
export interface Image {
  readonly name: ImageName
  readonly format: Format
  readonly sizeBytes: number
  readonly clusterBytes: number | undefined
  readonly version: 2 | 3 | undefined
  readonly location: Location
  readonly backing: Backing | undefined
  readonly dataFile: DataFile | undefined
  readonly encryption: 'luks' | 'aes' | undefined
  readonly allocatedBytes: number | undefined
  readonly bitmaps: ReadonlyArray<Bitmap>
  readonly internalSnapshots: ReadonlyArray<InternalSnapshot>
  readonly otherReaders: ReadonlyArray<string> | 'unknown'
  readonly node: LiveNode | undefined
}

/**
 * An image as a caller describes it: what is left out is absent, unknown for `otherReaders`.
 *
 * @since 0.1.0
 */
export interface ImageDescription {
  readonly name: string
  readonly format: Format
  readonly sizeBytes: number
  readonly location: Location
  readonly backing?: { readonly image: string; readonly header: string; readonly format?: Format }
  readonly clusterBytes?: number
  readonly version?: 2 | 3
  readonly dataFile?: DataFile
  readonly encryption?: 'luks' | 'aes'
  readonly allocatedBytes?: number
  readonly bitmaps?: ReadonlyArray<Bitmap>
  readonly internalSnapshots?: ReadonlyArray<InternalSnapshot>
  readonly otherReaders?: ReadonlyArray<string> | 'unknown'
  readonly node?: LiveNode
}

/**
 * True for text that can name an image.
 *
 * @since 0.1.0
 */
export const isImageName = (name: string): name is ImageName => name !== '' && !name.includes('\0')

/** True for an image whose data are stored encrypted. */
export const isEncrypted = (image: Partial<Pick<Image, 'encryption'>> & Pick<Image, 'format'>): boolean =>
  image.encryption !== undefined || image.format === 'luks'

/** Who else is known to read an image, outside the chain value. */
export const knownReaders = ({ otherReaders }: Image): ReadonlyArray<string> =>
  otherReaders === 'unknown' ? [] : otherReaders

/** What an image takes up: its own place, and that of its data file. */
export const placesOf = ({ location, dataFile }: Image): ReadonlyArray<Location> =>
  dataFile === undefined ? [location] : [location, dataFile.location]

/** What has to be said of a new image. */
type Made = Pick<Image, 'name' | 'format' | 'sizeBytes' | 'clusterBytes' | 'version' | 'location' | 'backing'>

/** An image that has just been made: nothing is in it, nobody else reads it, and no QEMU has it open. */
export const newImage = (made: Made): Image => ({
  ...made,
  dataFile: undefined,
  encryption: undefined,
  allocatedBytes: undefined,
  bitmaps: [],
  internalSnapshots: [],
  otherReaders: [],
  node: undefined,
})
