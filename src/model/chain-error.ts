import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Format } from './format.js'
import type { Location } from './location.js'

/**
 * Why a list of images is not a chain.
 *
 * @since 0.1.0
 */
export type ModelError =
  | { readonly _tag: 'NameInvalid'; readonly name: string; readonly why: 'empty' | 'has NUL' }
  | { readonly _tag: 'NameDuplicate'; readonly name: string }
  | { readonly _tag: 'LocationInvalid'; readonly image: string; readonly location: Location; readonly why: string }
  | { readonly _tag: 'SizeUnsafe'; readonly image: string; readonly sizeBytes: number; readonly largestBytes: number }
  | { readonly _tag: 'ClusterSizeInvalid'; readonly image: string; readonly clusterBytes: number }
  | { readonly _tag: 'FormatUnknown'; readonly image: string; readonly format: string }
  | {
      readonly _tag: 'FormatCannotHaveBacking'
      readonly image: string
      readonly format: Format
      readonly backing: string
    }
  | { readonly _tag: 'BackingFormatMissing'; readonly image: string; readonly backing: string }
  | {
      readonly _tag: 'BackingFormatWrong'
      readonly image: string
      readonly backing: string
      readonly recorded: Format
      readonly actual: Format
    }
  | { readonly _tag: 'HeaderInvalid'; readonly image: string; readonly header: string; readonly why: string }
  | {
      readonly _tag: 'HeaderTooLong'
      readonly image: string
      readonly headerBytes: number
      readonly largestBytes: number
    }
  | { readonly _tag: 'SelfBacking'; readonly image: string }
  | { readonly _tag: 'DanglingBacking'; readonly image: string; readonly backing: string }
  | { readonly _tag: 'BackingLoop'; readonly images: ReadonlyNonEmptyArray<string> }
  | { readonly _tag: 'ActiveMissing'; readonly active: string }
  | { readonly _tag: 'LocationShared'; readonly images: readonly [string, string]; readonly location: Location }
  | { readonly _tag: 'NodeShared'; readonly images: readonly [string, string]; readonly node: string }
