import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { PlaceProblem } from './convention-row.js'
import type { TreeProblem } from './snapshot-row.js'

/**
 * Where records and images disagree, or either is broken by itself.
 *
 * - `FormatWrong`, `SizeWrong`, `BackingWrong`: what a row says of its image, and what was observed.
 * - `FileShared`: rows of different ids name the same image.
 * - `ActiveMissing`: no image answers to the name of the active one.
 * - `SelfBacking`, `DanglingBacking`, `BackingLoop`: as in `chain`.
 * - `ImageExtra`: neither a row nor the guest nor a known other reader needs the image. No licence to remove it.
 *
 * @since 0.2.0
 */
export type Finding =
  | TreeProblem
  | PlaceProblem
  | {
      readonly _tag: 'FormatWrong'
      readonly id: string
      readonly image: string
      readonly declared: string
      readonly observed: string
    }
  | {
      readonly _tag: 'SizeWrong'
      readonly id: string
      readonly image: string
      readonly declaredBytes: number
      readonly observedBytes: number
    }
  | {
      readonly _tag: 'BackingWrong'
      readonly id: string
      readonly image: string
      readonly declared: string
      readonly observed: string | undefined
    }
  | { readonly _tag: 'FileShared'; readonly image: string; readonly ids: ReadonlyArray<string> }
  | { readonly _tag: 'ActiveMissing'; readonly active: string }
  | { readonly _tag: 'SelfBacking'; readonly image: string }
  | { readonly _tag: 'DanglingBacking'; readonly image: string; readonly backing: string }
  | { readonly _tag: 'BackingLoop'; readonly images: ReadonlyNonEmptyArray<string> }
  | { readonly _tag: 'ImageExtra'; readonly image: string }
