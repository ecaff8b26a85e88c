import type { BlockdevBackup } from '../call/qmp.js'
import { liveLayer } from './cache.js'
import { qemuRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { fileOf } from './files.js'
import { nodeOf } from './graph.js'
import { noSuchNode, objectionToBusy, objectionToJobId } from './qmp-check.js'
import type { Objection } from './qmp-check.js'
import { nodeOrBelow } from './qmp-internal.js'
import { clusterBytesOf } from './qmp-mirror.js'
import { startJob } from './qmp-start.js'
import type { SimNode, World } from './world.js'

type Arguments = BlockdevBackup['arguments']

/** QEMU goes on with who it is that shares no writing, by a name of its own for the filter. */
const objectionToTarget = (world: World, { name, overlays, users, access }: SimNode): Objection => {
  const used = overlays.length > 0 || users.length > 0 || world.qemu?.root === name
  if (used)
    return `Could not create node: Permission conflict on node '${name}': permissions 'write' are both required by node '#block' (uses node '${name}' as 'target' child)`
  return access === 'read-only' ? 'Could not create node: Block node is read-only' : undefined
}

const objectionTo = (world: World, pair: { source: SimNode; target: SimNode }, args: Arguments): Objection => {
  const { source, target } = pair
  if (source.name === target.name) return 'Source and target cannot be the same'
  const sizes = [source, target].map(({ file }) => liveLayer(world, file).sizeBytes)
  return (
    objectionToBusy(world, source.name) ??
    objectionToBusy(world, target.name) ??
    (sizes[0] === sizes[1] ? undefined : 'Source and target image have different sizes') ??
    objectionToTarget(world, target) ??
    objectionToJobId(world, args['job-id'])
  )
}

/** QEMU fails where it comes to a cluster that is there, and the guest's write with it, which is not modelled. */
const compressedRefusal = (world: World, { file }: SimNode): Outcome | undefined => {
  if (fileOf(world, file).format !== 'qcow2') return qemuRefuses('Compression is not supported for this drive ')
  return liveLayer(world, file).runs.length > 0 ? unmodelled('compressed data over clusters that are there') : undefined
}

const smallestCopyBytes = 65536

/** `blockdev-backup` of any node, through a filter at the root too: from this moment on nothing that it shows is lost to the target. */
export const blockdevBackup = (world: World, args: Arguments): Outcome => {
  const source = nodeOrBelow(world, args.device)
  if (source === undefined) return qemuRefuses(noSuchNode(args.device))
  const target = nodeOf(world, args.target)
  if (target === undefined) return qemuRefuses(noSuchNode(args.target))
  const compressed = args.compress === true ? compressedRefusal(world, target) : undefined
  if (compressed !== undefined) return compressed
  const objection = objectionTo(world, { source, target }, args)
  if (objection !== undefined) return qemuRefuses(objection)
  const { sizeBytes } = liveLayer(world, source.file)
  return startJob(world, args, {
    held: new Set([target.name]),
    work: {
      _tag: 'Backup',
      source: source.name,
      target: target.name,
      left: sizeBytes === 0 ? [] : [{ startBytes: 0, endBytes: sizeBytes }],
      clusterBytes: Math.max(smallestCopyBytes, clusterBytesOf(world, target)),
    },
  })
}
