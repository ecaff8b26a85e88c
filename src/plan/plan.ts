import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Call } from '../call/call.js'
import type { Feature } from '../call/capability.js'
import type { Wait } from '../call/wait.js'
import type { Chain } from '../model/chain.js'
import type { Format } from '../model/format.js'
import type { ImageName } from '../model/image.js'
import type { Assumption } from './assumption.js'
import type { Fate } from './fate.js'
import type { Hypervisor } from './hypervisor.js'

/**
 * One step: the call, what has to be true before the next step may begin, and why it is there.
 *
 * @since 0.1.0
 */
export interface Step {
  readonly call: Call
  readonly until?: Wait
  readonly why: string
}

/**
 * A step that has to be taken on every way out: when the plan ends, well or not, after step `from` (counted from 0) was tried.
 * With `once: 'done'`, only where that step has not failed: what it does would be wrong then. With `before`, only where it ends before that
 * step is done, which does the same. `failure` says what it means where it fails then; left out, its failure is one of the plan.
 *
 * @since 0.2.0
 */
export interface Cleanup {
  readonly from: number
  readonly once?: 'done'
  readonly before?: number
  readonly step: Step & { readonly failure?: string }
}

/**
 * What an image holds afterwards, in terms of what there was: the product of a span, base first. An empty span is an
 * image with no data of its own. Names spans, never bytes. `grown` is an image of the span that is enlarged first; what is new of
 * it reads zero. With `inside` the last image of the span counts as its internal snapshot of that name has it, in the size that the
 * image has today.
 *
 * @since 0.1.0
 */
export interface ContentChange {
  readonly image: ImageName
  readonly span: ReadonlyArray<ImageName>
  readonly sizeBytes: number
  readonly grown?: { readonly image: ImageName; readonly toBytes: number }
  readonly inside?: string
}

/**
 * A point in time that the caller names: a name of his own, and the image that was frozen at it.
 *
 * @since 0.1.0
 */
export interface Point {
  readonly point: string
  readonly image: string
}

/**
 * Where a named point in time is afterwards.
 *
 * @since 0.1.0
 */
export interface PointOutcome {
  readonly point: string
  readonly before: ImageName
  readonly after: ImageName
  readonly format: Format
  readonly sizeBytes: number
}

/**
 * What an operation does: a value before and after, and the calls in between.
 *
 * - `after`: the chain when the last step is done. Images that nobody reads any more have left it; `fates` tells them.
 * - `contents`: what each image holds whose own contents change.
 * - `fates`: for every image of `before` and `after`.
 * - `points`: for every point in time that the caller named; none is ever lost in silence.
 * - `finally`: what has to be done on every way out; left out where there is nothing.
 *
 * @since 0.1.0
 */
export interface Plan {
  readonly operation: 'addOverlay' | 'commit' | 'pull' | 'copy' | 'remove' | 'rename'
  readonly via: Hypervisor['via']
  readonly before: Chain
  readonly after: Chain
  readonly steps: ReadonlyArray<Step>
  readonly contents: ReadonlyArray<ContentChange>
  readonly fates: ReadonlyMap<string, ReadonlyNonEmptyArray<Fate>>
  readonly points: ReadonlyArray<PointOutcome>
  readonly requires: ReadonlyArray<Feature>
  readonly assumes: ReadonlyArray<Assumption>
  readonly finally?: ReadonlyArray<Cleanup>
}
