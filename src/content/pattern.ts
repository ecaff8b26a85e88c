import { layerOfRuns } from './layer.js'
import type { Layer } from './layer.js'
import { appendRun, zeroRun } from './run.js'
import type { Run } from './run.js'

/**
 * The cluster size that patterns use where the caller names none: 64 KiB, the default of `qemu-img create -f qcow2`.
 *
 * @since 0.1.0
 */
export const defaultClusterBytes = 65536

/**
 * Reads a layer written as one character a cluster: `-` is a hole, `0` is an explicit zero, anything else is data whose
 * source is that character. The size is the length of the pattern times the cluster size.
 *
 * @since 0.1.0
 */
export const layerOfPattern = (pattern: string, clusterBytes: number = defaultClusterBytes): Layer => {
  const runs: Array<Run> = []
  const cells = Array.from(pattern)
  for (const [index, cell] of cells.entries()) {
    const startBytes = index * clusterBytes
    const endBytes = startBytes + clusterBytes
    if (cell === '0') appendRun(runs, zeroRun(startBytes, endBytes))
    else if (cell !== '-') appendRun(runs, { kind: 'data', startBytes, endBytes, source: cell })
  }
  return layerOfRuns(cells.length * clusterBytes, runs)
}

/**
 * Writes a layer as one character a cluster, the inverse of {@link layerOfPattern}. A cluster that is not uniform, and data
 * whose source is not one character or is `-` or `0`, is `?`.
 *
 * Law: `patternOfLayer(layerOfPattern(p))` is `p`.
 *
 * @since 0.1.0
 */
export const patternOfLayer = (of: Layer, clusterBytes: number = defaultClusterBytes): string => {
  const cells = Array.from({ length: Math.ceil(of.sizeBytes / clusterBytes) }, () => '-')
  for (const run of of.runs) {
    const cell = cellOf(run)
    for (let index = Math.floor(run.startBytes / clusterBytes); index * clusterBytes < run.endBytes; index++) {
      const endBytes = Math.min((index + 1) * clusterBytes, of.sizeBytes)
      cells[index] = run.startBytes <= index * clusterBytes && endBytes <= run.endBytes ? cell : '?'
    }
  }
  return cells.join('')
}

const cellOf = (run: Run): string => {
  if (run.kind === 'zero') return '0'
  return Array.from(run.source).length === 1 && run.source !== '-' && run.source !== '0' ? run.source : '?'
}
