import type { Format } from '../model/format.js'
import { combineHeader } from '../model/header.js'
import type { Image, ImageDescription, LiveNode } from '../model/image.js'
import type { Location } from '../model/location.js'
import { descriptorOf, locationOf } from './filename.js'
import type { ImageInfo } from './image-info.js'

/**
 * What the outputs of QEMU do not say, and the caller may.
 *
 * - `disk`: the name of the disk, such as `vda`; it becomes `chain.disk`.
 * - `nameOf`: the name of the image of a file name; the file name itself where left out.
 * - `blockDevices`: the paths that are block devices. QEMU tells since 8.0 and in its monitor, older qemu-img does not.
 * - `backingFormats`: the format of the backing file, by the file name of the overlay, for an overlay that does not
 *   record it. What is recorded counts; without either there is no chain (`BackingFormatMissing`).
 * - `otherReaders`: who reads the image of a file name besides this chain; `unknown` where left out.
 *
 * @since 0.1.0
 */
export interface ChainOptions {
  readonly disk: string
  readonly nameOf?: (filename: string) => string
  readonly blockDevices?: ReadonlySet<string>
  readonly backingFormats?: ReadonlyMap<string, Format>
  readonly otherReaders?: (filename: string) => ReadonlyArray<string> | 'unknown'
}

/** The name that the caller's options give an image. */
export const nameIn = (options: ChainOptions, filename: string): string => options.nameOf?.(filename) ?? filename

const locationIn = (options: ChainOptions, filename: string, storage: string | undefined): Location => {
  const driver = storage ?? descriptorOf(filename)?.drivers.at(-1)
  return locationOf(
    filename,
    (path) => driver?.startsWith('host_') === true || options.blockDevices?.has(path) === true,
  )
}

/** What may be known of an image, and is left out where it is not. */
const knownOf = ({ allocatedBytes, clusterBytes, version, encryption }: ImageInfo): Partial<ImageDescription> => ({
  ...(allocatedBytes === undefined ? {} : { allocatedBytes }),
  ...(clusterBytes === undefined ? {} : { clusterBytes }),
  ...(version === undefined ? {} : { version }),
  ...(encryption === undefined ? {} : { encryption }),
})

const dataFileOf = ({ filename, dataFile }: ImageInfo, options: ChainOptions): Partial<ImageDescription> => {
  if (dataFile === undefined) return {}
  const path = combineHeader(filename, dataFile.name)
  return { dataFile: { layout: dataFile.layout, location: locationIn(options, path, undefined) } }
}

const backingOf = (info: ImageInfo, below: string | undefined, options: ChainOptions): Partial<ImageDescription> => {
  if (below === undefined) return {}
  const format = info.backing?.format ?? options.backingFormats?.get(info.filename)
  const backing = { image: nameIn(options, below), header: info.backing?.header ?? '' }
  return { backing: format === undefined ? backing : { ...backing, format } }
}

/** An image over the one whose file name is `below`; nothing lies below the base. */
export const describe = (info: ImageInfo, below: string | undefined, options: ChainOptions): ImageDescription => ({
  name: nameIn(options, info.filename),
  format: info.format,
  sizeBytes: info.sizeBytes,
  location: locationIn(options, info.filename, info.storage),
  bitmaps: info.bitmaps,
  internalSnapshots: info.internalSnapshots,
  otherReaders: options.otherReaders?.(info.filename) ?? 'unknown',
  ...knownOf(info),
  ...dataFileOf(info, options),
  ...backingOf(info, below, options),
})

/** An image of a chain as its description, with other facts about its node. */
export const describeImage = (of: Image, node: LiveNode | undefined = of.node): ImageDescription => {
  const { clusterBytes, version, backing, dataFile, encryption, allocatedBytes, node: _node, ...rest } = of
  return {
    ...rest,
    ...(clusterBytes === undefined ? {} : { clusterBytes }),
    ...(version === undefined ? {} : { version }),
    ...(backing === undefined ? {} : { backing }),
    ...(dataFile === undefined ? {} : { dataFile }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(allocatedBytes === undefined ? {} : { allocatedBytes }),
    ...(node === undefined ? {} : { node }),
  }
}
