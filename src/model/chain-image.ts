import type { ModelError } from './chain-error.js'
import { isFormat, traitsOf } from './format.js'
import type { Format } from './format.js'
import { headerBytes, largestHeaderBytes } from './header.js'
import { isImageName } from './image.js'
import type { Backing, Image, ImageDescription } from './image.js'
import { locationString } from './location.js'

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
const isPowerOfTwo = (n: number): boolean => Number.isSafeInteger(n) && n > 0 && Number.isInteger(Math.log2(n))

const sizeProblems = (of: ImageDescription): ReadonlyArray<ModelError> => {
  const problems: Array<ModelError> = []
  for (const sizeBytes of [of.sizeBytes, of.allocatedBytes ?? 0])
    if (!isSize(sizeBytes))
      problems.push({ _tag: 'SizeUnsafe', image: of.name, sizeBytes, largestBytes: Number.MAX_SAFE_INTEGER })
  if (of.clusterBytes !== undefined && !isPowerOfTwo(of.clusterBytes))
    problems.push({ _tag: 'ClusterSizeInvalid', image: of.name, clusterBytes: of.clusterBytes })
  return problems
}

/** The format in which the backing file is opened, where it is certain without probing. */
const certainFormat = (of: ImageDescription): Format | undefined =>
  of.backing?.format ?? (traitsOf(of.format).records === 'same' ? of.format : undefined)

const backingProblems = (of: ImageDescription): ReadonlyArray<ModelError> => {
  if (of.backing === undefined) return []
  const { image: backing, header } = of.backing
  const image = of.name
  const problems: Array<ModelError> = []
  if (!isImageName(backing))
    problems.push({ _tag: 'NameInvalid', name: backing, why: backing === '' ? 'empty' : 'has NUL' })
  if (traitsOf(of.format).holds === 'base')
    problems.push({ _tag: 'FormatCannotHaveBacking', image, format: of.format, backing })
  else if (certainFormat(of) === undefined) problems.push({ _tag: 'BackingFormatMissing', image, backing })
  if (header === '' || header.includes('\0'))
    problems.push({ _tag: 'HeaderInvalid', image, header, why: header === '' ? 'empty' : 'has NUL' })
  const bytes = headerBytes(header)
  if (bytes > largestHeaderBytes)
    problems.push({ _tag: 'HeaderTooLong', image, headerBytes: bytes, largestBytes: largestHeaderBytes })
  return problems
}

/** What is wrong with one image by itself. */
export const imageProblems = (of: ImageDescription): ReadonlyArray<ModelError> => {
  const problems: Array<ModelError> = []
  const where = locationString(of.location)
  if (!isImageName(of.name))
    problems.push({ _tag: 'NameInvalid', name: of.name, why: of.name === '' ? 'empty' : 'has NUL' })
  if (where === '' || where.includes('\0'))
    problems.push({
      _tag: 'LocationInvalid',
      image: of.name,
      location: of.location,
      why: where === '' ? 'empty' : 'has NUL',
    })
  problems.push(...sizeProblems(of))
  if (isFormat(of.format)) problems.push(...backingProblems(of))
  else problems.push({ _tag: 'FormatUnknown', image: of.name, format: of.format })
  return problems
}

const makeBacking = (of: ImageDescription): Backing | undefined => {
  const format = certainFormat(of)
  if (of.backing === undefined || format === undefined || !isImageName(of.backing.image)) return undefined
  return { image: of.backing.image, header: of.backing.header, format }
}

/** The image of a description that has no problems by itself. */
export const makeImage = (of: ImageDescription): Image | undefined =>
  isImageName(of.name)
    ? {
        name: of.name,
        format: of.format,
        sizeBytes: of.sizeBytes,
        clusterBytes: of.clusterBytes,
        version: of.version,
        location: of.location,
        backing: makeBacking(of),
        dataFile: of.dataFile,
        encryption: of.encryption,
        allocatedBytes: of.allocatedBytes,
        bitmaps: of.bitmaps ?? [],
        internalSnapshots: of.internalSnapshots ?? [],
        otherReaders: of.otherReaders ?? 'unknown',
        node: of.node,
      }
    : undefined
