import { layerOfRuns, solid } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { override } from '../content/override.js'
import { appendRun, clipRun, zeroRun } from '../content/run.js'
import type { Run } from '../content/run.js'
import { traitsOf } from '../model/format.js'
import type { Format } from '../model/format.js'
import type { Range } from './job.js'

/** The runs of a layer inside a range, cut at its ends; holes stay holes. */
export const runsIn = (layer: Layer, { startBytes, endBytes }: Range): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const run of layer.runs)
    if (run.endBytes > startBytes && run.startBytes < endBytes) appendRun(runs, clipRun(run, startBytes, endBytes))
  return runs
}

/** The layer with what another one stores in some ranges written over it; the size stays, the other's holes write nothing. */
export const paste = (onto: Layer, from: Layer, ranges: ReadonlyArray<Range>): Layer => {
  const runs: Array<Run> = []
  let index = 0
  for (const { startBytes, endBytes } of ranges) {
    const end = Math.min(endBytes, onto.sizeBytes)
    for (let run = from.runs[index]; run !== undefined && run.startBytes < end; run = from.runs[++index]) {
      if (run.endBytes > startBytes) appendRun(runs, clipRun(run, startBytes, end))
      if (run.endBytes > end) break
    }
  }
  return override(onto, layerOfRuns(onto.sizeBytes, runs))
}

/** The layer in another size. What is cut off is gone; what is new is a hole, or zero where `tail` says so. */
export const resized = (layer: Layer, sizeBytes: number, tail: 'holes' | 'zeroes'): Layer => {
  const runs: Array<Run> = [...runsIn(layer, { startBytes: 0, endBytes: sizeBytes })]
  if (tail === 'zeroes') appendRun(runs, zeroRun(layer.sizeBytes, sizeBytes))
  return layerOfRuns(sizeBytes, runs)
}

/** What a file of that format stores when it is to hold this layer: some formats have no holes. */
export const storable = (format: Format, layer: Layer): Layer =>
  traitsOf(format).holes === 'none' ? solid(layer) : layer

/** The ranges in which a layer stores anything, zeroes included. */
export const allocatedRanges = (layer: Layer): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  for (const { startBytes, endBytes } of layer.runs) {
    const last = ranges[ranges.length - 1]
    if (last?.endBytes === startBytes) ranges[ranges.length - 1] = { startBytes: last.startBytes, endBytes }
    else ranges.push({ startBytes, endBytes })
  }
  return ranges
}

/** Sorted, disjoint ranges with one more. */
export const withRange = (ranges: ReadonlyArray<Range>, more: Range): ReadonlyArray<Range> => {
  const before = ranges.filter((range) => range.endBytes < more.startBytes)
  const after = ranges.filter((range) => range.startBytes > more.endBytes)
  const touched = ranges.slice(before.length, ranges.length - after.length)
  const startBytes = Math.min(more.startBytes, ...touched.slice(0, 1).map((range) => range.startBytes))
  const endBytes = Math.max(more.endBytes, ...touched.slice(-1).map((range) => range.endBytes))
  return [...before, { startBytes, endBytes }, ...after]
}

/** Sorted, disjoint ranges, cut at the ends of another one: what of them lies inside it, and what outside. */
export const withoutRange = (
  ranges: ReadonlyArray<Range>,
  { startBytes, endBytes }: Range,
): { readonly inside: ReadonlyArray<Range>; readonly outside: ReadonlyArray<Range> } => {
  const within = (from: number, to: number): ReadonlyArray<Range> =>
    ranges.flatMap((range) => {
      const piece = { startBytes: Math.max(range.startBytes, from), endBytes: Math.min(range.endBytes, to) }
      return piece.startBytes < piece.endBytes ? [piece] : []
    })
  return { inside: within(startBytes, endBytes), outside: [...within(0, startBytes), ...within(endBytes, Infinity)] }
}

/** Splits the first bytes off a list of ranges: at most `limitBytes` of its first one, or all of it without a limit. */
export const takeRanges = (
  ranges: ReadonlyArray<Range>,
  limitBytes: number | undefined,
): { readonly taken: ReadonlyArray<Range>; readonly rest: ReadonlyArray<Range> } => {
  const [first, ...others] = ranges
  if (first === undefined || limitBytes === undefined) return { taken: ranges, rest: [] }
  const cut = Math.min(first.endBytes, first.startBytes + limitBytes)
  const remains = cut < first.endBytes ? [{ startBytes: cut, endBytes: first.endBytes }] : []
  return { taken: [{ startBytes: first.startBytes, endBytes: cut }], rest: [...remains, ...others] }
}

/** A stretch over which each of some layers is uniform: what each stores there, or nothing where it has a hole. */
export interface Stretch extends Range {
  readonly cells: ReadonlyArray<Run | undefined>
}

/** Cuts a disk of that size into stretches over which every layer is uniform. Linear in all runs together, up to sorting. */
export const stretches = (sizeBytes: number, layers: ReadonlyArray<Layer>): ReadonlyArray<Stretch> => {
  const cuts = new Set([0, sizeBytes])
  for (const { runs, sizeBytes: own } of layers) {
    cuts.add(Math.min(own, sizeBytes))
    for (const run of runs) {
      if (run.startBytes < sizeBytes) cuts.add(run.startBytes)
      if (run.endBytes < sizeBytes) cuts.add(run.endBytes)
    }
  }
  const places = layers.map(() => 0)
  const cellAt = (at: number, which: number): Run | undefined => {
    const runs = layers[which]?.runs ?? []
    let place = places[which] ?? 0
    while ((runs[place]?.endBytes ?? Infinity) <= at) place++
    places[which] = place
    const run = runs[place]
    return run !== undefined && run.startBytes <= at ? run : undefined
  }
  const sorted = Array.from(cuts).sort((a, b) => a - b)
  return sorted.slice(1).map((endBytes, index) => {
    const startBytes = sorted[index] ?? 0
    return { startBytes, endBytes, cells: layers.map((_, which) => cellAt(startBytes, which)) }
  })
}

/** Builds a layer from stretches, by what is to be stored in each. */
export const layerFrom = (
  sizeBytes: number,
  from: ReadonlyArray<Stretch>,
  pick: (stretch: Stretch) => Run | undefined,
): Layer => {
  const runs: Array<Run> = []
  for (const stretch of from) {
    const run = pick(stretch)
    if (run !== undefined) appendRun(runs, { ...run, startBytes: stretch.startBytes, endBytes: stretch.endBytes })
  }
  return layerOfRuns(sizeBytes, runs)
}
