import type { BlockStream } from '../call/qmp.js'
import { qemuRefuses } from './fault.js'
import type { Outcome } from './fault.js'
import { between, downFrom, nodeOf, withNode } from './graph.js'
import { noSuchNode, objectionToBusy, objectionToJobId, objectionToWriting } from './qmp-check.js'
import type { Objection } from './qmp-check.js'
import { startJob } from './qmp-start.js'
import type { SimNode, World } from './world.js'

type Arguments = BlockStream['arguments']

const objectionToBase = (world: World, target: SimNode, base: string): Objection => {
  if (nodeOf(world, base) === undefined) return `Cannot find device='' nor node-name='${base}'`
  const below = downFrom(world, target.name).slice(1)
  return below.some((node) => node.name === base)
    ? undefined
    : `Node '${base}' is not a backing image of '${target.name}'`
}

/** A commit's filter lies on its top: nobody may freeze the link to it from above. */
const objectionToFilter = (world: World, base: string): Objection =>
  world.qemu?.jobs.some(({ work }) => work._tag === 'Commit' && work.top === base) === true
    ? "Cannot freeze 'backing' link to 'commit-filter'"
    : undefined

/** What the guest writes cannot be pulled: its disk lies below an old active image that is still open. */
const objectionToDisk = (world: World, held: ReadonlySet<string>, args: Arguments): Objection => {
  const root = world.qemu?.root ?? ''
  return root !== args.device && held.has(root)
    ? `Permission conflict on node '${root}': permissions 'write' are both required by the disk (uses node '${root}' as 'root' child) and unshared by stream job '${args['job-id']}' (uses node '${root}' as 'intermediate node' child).`
    : undefined
}

const objectionTo = (world: World, target: SimNode, args: Arguments): Objection => {
  const base = args['base-node']
  const wrong = base === undefined ? undefined : objectionToBase(world, target, base)
  if (wrong !== undefined) return wrong
  for (const node of between(world, target.name, base)) {
    const busy = objectionToBusy(world, node.name)
    if (busy !== undefined) return busy
  }
  if (base === undefined && args['backing-file'] !== undefined)
    return 'backing file specified, but streaming the entire chain'
  return (
    ((args.speed ?? 0) < 0 ? "Parameter 'speed' expects a non-negative value" : undefined) ??
    objectionToJobId(world, args['job-id']) ??
    (base === undefined ? undefined : objectionToFilter(world, base)) ??
    objectionToWriting(world, target)
  )
}

/** `block-stream` into any node of a chain, down to above `base-node`, or everything. Sizes are not checked. */
export const blockStream = (world: World, args: Arguments): Outcome => {
  const target = nodeOf(world, args.device)
  if (target === undefined) return qemuRefuses(noSuchNode(args.device))
  const objection = objectionTo(world, target, args)
  if (objection !== undefined) return qemuRefuses(objection)
  const held = new Set(between(world, target.name, args['base-node']).map(({ name }) => name))
  const conflict = objectionToDisk(world, held, args)
  if (conflict !== undefined) return qemuRefuses(conflict)
  return startJob(withNode(world, target.name, { access: 'read-write' }), args, {
    held,
    work: {
      _tag: 'Stream',
      target: target.name,
      base: args['base-node'],
      backingFile: args['backing-file'],
      maskProtocol: args['backing-mask-protocol'] ?? false,
      atBytes: 0,
      targetAccess: target.access,
    },
  })
}
