// Random points in time of random chains, and rows as text.

import * as fc from 'fast-check'

import type { Chain } from '../../src/model/chain.js'
import { path } from '../../src/model/chain-query.js'
import type { RecordedPoint } from '../../src/model/convention-read.js'
import type { SnapshotRow } from '../../src/model/snapshot-row.js'
import { arbitraryChain } from '../../src/testing/chain.js'
import type { ChainOptions } from '../../src/testing/chain.js'

/** Rows written as `id/parent: file`, `-` for no file, and in brackets for hidden ones. */
export const rowsOf = (texts: ReadonlyArray<string>): ReadonlyArray<SnapshotRow> =>
  texts.map((text) => {
    const [, bracket, id = '', , parent, file] = /^(\[?)([^/:]+)(\/([^:]+))?: ([^\]]+)/.exec(text) ?? []
    const row = { id, parent, file: file === '-' ? undefined : file }
    return bracket === '[' ? { ...row, hidden: true } : row
  })

/** Images that the guest has not written: neither the active one nor above it. */
export const unwritten = (chain: Chain): ReadonlyArray<string> =>
  Array.from(chain.images.keys()).filter(
    (name) => path(chain, name)?.every((image) => image.name !== chain.active) === true,
  )

/** The nearest point in time under an image. */
const pointUnder = (chain: Chain, points: ReadonlyArray<RecordedPoint>, name: string): string | undefined =>
  (path(chain, name) ?? [])
    .slice(0, -1)
    .reverse()
    .flatMap((image) => points.filter((point) => point.image === image.name))[0]?.snapshot

/**
 * Random points in time: at most one in an image, some in none; parents as the chain has them, or any earlier one, so that
 * the tree of the snapshots is not always that of the images.
 */
export const arbitraryPoints = (
  options: ChainOptions,
): fc.Arbitrary<{ readonly chain: Chain; readonly points: ReadonlyArray<RecordedPoint> }> =>
  fc
    .record({
      chain: arbitraryChain({ ...options, maxClusters: 1 }).map((of) => of.chain),
      drafts: fc.array(
        fc.record({
          in: fc.constantFrom('image', 'image', 'image', 'none', 'nothing'),
          parent: fc.constantFrom('under', 'under', 'under', 'root', 'earlier'),
          choice: fc.nat({ max: 1000 }),
        }),
        { minLength: 12, maxLength: 12 },
      ),
    })
    .map(({ chain, drafts }) => {
      const points: Array<RecordedPoint> = []
      for (const [at, name] of unwritten(chain).entries()) {
        const draft = drafts[at]
        if (draft === undefined || draft.in === 'none') continue
        const earlier = points[draft.choice % Math.max(1, points.length)]?.snapshot
        const under = pointUnder(chain, points, name)
        const parent = draft.parent === 'under' ? under : draft.parent === 'earlier' ? earlier : undefined
        points.push({ snapshot: `s${at}`, parent, image: draft.in === 'image' ? name : undefined })
      }
      return { chain, points }
    })
