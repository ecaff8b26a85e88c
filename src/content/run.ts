/**
 * One allocated piece of a layer. A hole is not a kind of run: it is the absence of one.
 *
 * Offsets are guest offsets in bytes; `startBytes` is inclusive, `endBytes` is exclusive. `source` names where the bytes
 * come from: two runs show the same bytes at an offset exactly when their sources are equal, since data never changes
 * its guest offset in any operation on a backing chain.
 *
 * @since 0.1.0
 */
export type Run =
  | { readonly kind: 'data'; readonly startBytes: number; readonly endBytes: number; readonly source: string }
  | { readonly kind: 'zero'; readonly startBytes: number; readonly endBytes: number }

/** True where both runs show the same bytes at every offset that they share. */
export const sameBytes = (a: Run, b: Run): boolean =>
  a.kind === 'data' ? b.kind === 'data' && a.source === b.source : b.kind === 'zero'

/**
 * A run with the contents of another, elsewhere. Written out member by member: copying members with a spread is eight times
 * slower once offsets pass 2^31, which on disks is always.
 */
const runLike = (run: Run, startBytes: number, endBytes: number): Run =>
  run.kind === 'zero'
    ? { kind: 'zero', startBytes, endBytes }
    : { kind: 'data', startBytes, endBytes, source: run.source }

/** The part of a run inside `[startBytes, endBytes)`; the two must overlap. */
export const clipRun = (run: Run, startBytes: number, endBytes: number): Run =>
  run.startBytes >= startBytes && run.endBytes <= endBytes
    ? run
    : runLike(run, Math.max(run.startBytes, startBytes), Math.min(run.endBytes, endBytes))

/** Adds a run at the end of a growing list and joins it to the last one where nothing tells the two apart. */
export const appendRun = (runs: Array<Run>, run: Run): void => {
  if (run.startBytes >= run.endBytes) return
  const last = runs[runs.length - 1]
  if (last !== undefined && last.endBytes === run.startBytes && sameBytes(last, run))
    runs[runs.length - 1] = runLike(last, last.startBytes, run.endBytes)
  else runs.push(run)
}

/** A run of zeroes. */
export const zeroRun = (startBytes: number, endBytes: number): Run => ({ kind: 'zero', startBytes, endBytes })
