import type { Finding } from './diff-finding.js'
import { extraImages, imageFindings } from './diff-image.js'
import { sight } from './diff-observation.js'
import type { Observation } from './diff-observation.js'
import { rowFindings } from './diff-row.js'
import type { Records } from './diff-row.js'
import { treeProblems } from './snapshot-row.js'

/** Each ambiguous name once, however many say it. */
const eachNameOnce = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> => {
  const said = new Set<string>()
  return findings.filter((finding) => {
    if (finding._tag !== 'NameAmbiguous') return true
    const known = said.has(finding.name)
    said.add(finding.name)
    return !known
  })
}

/** Findings after which nobody can say which images are needed: a point in time, or what an image lies on, is not found. */
const leavingOpen: ReadonlySet<Finding['_tag']> = new Set([
  ...(['FileMissing', 'NameAmbiguous', 'BackingMissing', 'PointWritten'] as const),
  ...(['ActiveMissing', 'SelfBacking', 'DanglingBacking', 'BackingLoop'] as const),
])

/**
 * Compares what somebody has written down of a disk with what was found of it: every disagreement, and what is broken in
 * either. Nothing where they agree.
 *
 * In this order, all at once: the rows' tree (`IdDuplicate`, `ParentDuplicate`, `ParentMissing`, `HiddenUnexpected`, id by
 * id, then `ParentLoop`); row by row `FileMissing`, `NameAmbiguous`, `BackingMissing` or `PointWritten`, then `FormatWrong`,
 * `SizeWrong`, `BackingWrong`; `FileShared`; `ActiveMissing`; image by image `NameAmbiguous`,
 * `DanglingBacking`; `SelfBacking` and `BackingLoop`; `ImageExtra`. The last only where every point in time was found, and everything
 * that an image lies on: otherwise any image may be what somebody needs. Linear.
 *
 * A name is that of an image; else the whole path of one, or its URI; else the last part of a path. It is ambiguous where
 * several answer to it in the same way.
 *
 * @example
 * import { diff, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const rows = [
 *   { id: 'monday', parent: undefined, file: 'v', format: 'raw' },
 *   { id: 'tuesday', parent: 'sunday', file: 'v.2' },
 * ]
 * const parsed = parseChain('v <- v.1 <- v.2^')
 * E.isRight(parsed) ? diff({ rows, convention: 'frozen' }, parsed.right.chain) : parsed.left
 * // => [
 * //   { _tag: 'ParentMissing', id: 'tuesday', parent: 'sunday' },
 * //   { _tag: 'FormatWrong', id: 'monday', image: 'v', declared: 'raw', observed: 'qcow2' },
 * //   { _tag: 'PointWritten', id: 'tuesday', image: 'v.2' },
 * // ]
 *
 * @since 0.2.0
 */
export const diff = (records: Records, observed: Observation): ReadonlyArray<Finding> => {
  const seen = sight(observed)
  const { findings, named } = rowFindings(seen, records)
  const known = [
    ...treeProblems(records.rows, records.convention),
    ...eachNameOnce([...findings, ...imageFindings(seen, observed.active)]),
  ]
  return known.some(({ _tag }) => leavingOpen.has(_tag)) ? known : [...known, ...extraImages(seen, named)]
}
