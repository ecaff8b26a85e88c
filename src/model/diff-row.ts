import { nameProblem, placeRow } from './convention-row.js'
import type { PlacedRow } from './convention-row.js'
import type { Finding } from './diff-finding.js'
import { single } from './diff-observation.js'
import type { Sight, SightedImage } from './diff-observation.js'
import type { Convention, SnapshotRow } from './snapshot-row.js'

/**
 * A row, and what it says of its file besides; what it does not say is not compared. `backing` names the backing file.
 *
 * @since 0.2.0
 */
export interface DeclaredRow extends SnapshotRow {
  readonly format?: string
  readonly sizeBytes?: number
  readonly backing?: string
}

/**
 * What somebody has written down of one disk.
 *
 * @since 0.2.0
 */
export interface Records {
  readonly rows: ReadonlyArray<DeclaredRow>
  readonly convention: Convention
}

const backingFindings = (seen: Sight, row: DeclaredRow, { image }: SightedImage): ReadonlyArray<Finding> => {
  const [declared, observed] = [row.backing, image.backing?.image]
  if (declared === undefined || declared === observed) return []
  const answer = seen.answering(declared)
  const named = single(answer)
  if (named !== undefined && observed !== undefined && single(seen.answering(observed)) === named) return []
  const wrong: Finding = { _tag: 'BackingWrong', id: row.id, image: image.name, declared, observed }
  return [nameProblem(declared, answer, wrong) ?? wrong]
}

const factFindings = (seen: Sight, row: DeclaredRow, file: SightedImage): ReadonlyArray<Finding> => {
  const { id, format, sizeBytes } = row
  const { name: image, format: observed, sizeBytes: observedBytes } = file.image
  const findings: Array<Finding> = []
  if (format !== undefined && format !== observed)
    findings.push({ _tag: 'FormatWrong', id, image, declared: format, observed })
  if (sizeBytes !== undefined && sizeBytes !== observedBytes)
    findings.push({ _tag: 'SizeWrong', id, image, declaredBytes: sizeBytes, observedBytes })
  return [...findings, ...backingFindings(seen, row, file)]
}

/** By image, the ids of the rows that name it. */
const idsByFile = (placed: ReadonlyArray<PlacedRow & { readonly row: SnapshotRow }>) => {
  const found = new Map<SightedImage, Set<string>>()
  for (const { row, file } of placed) {
    const known = file === undefined ? undefined : found.get(file)
    if (known !== undefined) known.add(row.id)
    else if (file !== undefined) found.set(file, new Set([row.id]))
  }
  return found
}

/** What rows and images say of each other, row by row; then the images that several rows name. */
export const rowFindings = (
  seen: Sight,
  { rows, convention }: Records,
): { readonly findings: ReadonlyArray<Finding>; readonly named: ReadonlySet<SightedImage> } => {
  const placed = rows.map((row) => ({ row, ...placeRow(seen, row, convention) }))
  const byRow = placed.flatMap(({ row, file, problem }): ReadonlyArray<Finding> => [
    ...(problem === undefined ? [] : [problem]),
    ...(file === undefined ? [] : factFindings(seen, row, file)),
  ])
  const byFile = idsByFile(placed)
  const shared = Array.from(byFile).flatMap(([{ image }, ids]): ReadonlyArray<Finding> =>
    ids.size > 1 ? [{ _tag: 'FileShared', image: image.name, ids: Array.from(ids) }] : [],
  )
  const backings = rows.flatMap(({ backing }) => (backing === undefined ? [] : seen.answering(backing).images))
  return { findings: [...byRow, ...shared], named: new Set([...byFile.keys(), ...backings]) }
}
