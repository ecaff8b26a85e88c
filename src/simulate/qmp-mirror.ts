import type { BlockdevMirror } from '../call/qmp.js'
import { qemuRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf } from './files.js'
import { nodeOf } from './graph.js'
import type { MirrorWork } from './job.js'
import { isRootNode, noSuchNode, objectionToChange, objectionToJobId } from './qmp-check.js'
import type { Objection } from './qmp-check.js'
import { startJob } from './qmp-start.js'
import type { SimNode, World } from './world.js'

type Arguments = BlockdevMirror['arguments']

const assumedClusterBytes = 65536

/** The cluster size of a node's image; 64 KiB where it is unknown. */
export const clusterBytesOf = (world: World, node: SimNode): number =>
  fileOf(world, node.file).clusterBytes ?? assumedClusterBytes

/**
 * What becomes of the rest of a target cluster that a copied source cluster does not fill: where the target already reads a
 * backing file nothing changes; where only its header names one QEMU copies whole clusters; else it gets zeroes.
 */
const paddingOf = (world: World, source: SimNode, target: SimNode): MirrorWork['padding'] => {
  if (target.backing !== undefined || clusterBytesOf(world, target) <= clusterBytesOf(world, source)) return 'none'
  return fileOf(world, target.file).header === undefined ? 'zeroes' : 'whole clusters'
}

const objectionTo = (world: World, pair: { source: SimNode; target: SimNode }, args: Arguments): Objection => {
  const { source, target } = pair
  if (source.name === target.name) return "Can't mirror node into itself"
  return (
    objectionToChange(world, target) ??
    ((args.speed ?? 0) < 0 ? "Parameter 'speed' expects a non-negative value" : undefined) ??
    objectionToJobId(world, args['job-id']) ??
    (target.access === 'read-only' ? 'Block node is read-only' : undefined)
  )
}

/** `blockdev-mirror` of the guest's disk to a node. That the sizes differ is only found out by the job. */
export const blockdevMirror = (world: World, args: Arguments): Outcome => {
  const source = nodeOf(world, args.device)
  if (source === undefined) return qemuRefuses(noSuchNode(args.device))
  if (!isRootNode(world, source)) return qemuRefuses('Need a root block node')
  const target = nodeOf(world, args.target)
  if (target === undefined) return qemuRefuses(noSuchNode(args.target))
  const objection = objectionTo(world, { source, target }, args)
  if (objection !== undefined) return qemuRefuses(objection)
  if (args.replaces !== undefined && args.replaces !== args.device)
    return unmodelled('blockdev-mirror with replaces other than device')
  return startJob(world, args, {
    held: new Set([source.name, target.name]),
    work: {
      _tag: 'Mirror',
      source: source.name,
      target: target.name,
      sync: args.sync,
      commits: false,
      dirty: undefined,
      padding: args.sync === 'top' ? paddingOf(world, source, target) : 'none',
      copyMode: args['copy-mode'] ?? 'background',
      end: undefined,
      targetAccess: target.access,
    },
  })
}
