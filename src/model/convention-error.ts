import type { PlaceProblem } from './convention-row.js'
import type { TreeProblem } from './snapshot-row.js'

/**
 * Why rows cannot be read, or points in time cannot be written, in a convention.
 *
 * - `OverlayMissing`: nothing lies on the image, so the overlay convention has no file to name.
 * - `OverlayAmbiguous`: several files lie on the image, and nothing says which of them the snapshot made.
 * - `OverlayWrong`: the overlay that the caller named does not lie on the image.
 * - `IdTaken`: an image that needs a hidden row has the name of a snapshot.
 *
 * @since 0.2.0
 */
export type ConventionError =
  | TreeProblem
  | PlaceProblem
  | { readonly _tag: 'OverlayMissing'; readonly id: string; readonly image: string }
  | {
      readonly _tag: 'OverlayAmbiguous'
      readonly id: string
      readonly image: string
      readonly overlays: ReadonlyArray<string>
    }
  | { readonly _tag: 'OverlayWrong'; readonly id: string; readonly image: string; readonly overlay: string }
  | { readonly _tag: 'IdTaken'; readonly id: string }
