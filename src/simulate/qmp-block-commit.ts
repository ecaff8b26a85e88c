import type { BlockCommit } from '../call/qmp.js'
import { qemuRefuses } from './fault.js'
import { fileOf } from './files.js'
import type { Outcome } from './fault.js'
import { between, downFrom, nodeOf, withNode } from './graph.js'
import type { Job } from './job.js'
import { startJob } from './qmp-start.js'
import { isRootNode, objectionToBusy, objectionToJobId, objectionToWriting } from './qmp-check.js'
import type { Objection } from './qmp-check.js'
import type { SimNode, World } from './world.js'

type Arguments = BlockCommit['arguments']

/** The three nodes that a commit is about. */
interface Span {
  readonly device: SimNode
  readonly top: SimNode
  readonly base: SimNode
}

/** Finds the three nodes as `qmp_block_commit` does, or says why not. */
const spanOf = (world: World, device: SimNode, args: Arguments): Span | string => {
  const chain = downFrom(world, device.name)
  const topName = args['top-node'] ?? device.name
  const top = nodeOf(world, topName)
  if (top === undefined) return `Cannot find device='' nor node-name='${topName}'`
  if (!chain.some((node) => node.name === topName)) return `'${topName}' is not in this backing file chain`
  const below = downFrom(world, topName)
  const baseName = args['base-node'] ?? below[below.length - 1]?.name ?? topName
  const base = nodeOf(world, baseName)
  if (base === undefined) return `Cannot find device='' nor node-name='${baseName}'`
  if (!below.some((node) => node.name === baseName)) return `'${baseName}' is not in this backing file chain`
  return { device, top, base }
}

/** What lies above the base shows something in between until the job has ended: QEMU lets nobody read it, or begins not at all. */
const objectionToReaders = (world: World, nodes: ReadonlyArray<SimNode>): Objection =>
  nodes.some(({ file }) => fileOf(world, file).outside !== undefined)
    ? 'Failed to get shared "consistent read" lock'
    : undefined

const objectionToSpan = (world: World, { device, top, base }: Span, args: Arguments): Objection => {
  for (const node of [...between(world, top.name, base.name), base]) {
    const busy = objectionToBusy(world, node.name)
    if (busy !== undefined) return busy
  }
  if (top.name === base.name) return 'cannot commit an image into itself'
  if (top.name === device.name && args['backing-file'] !== undefined)
    return "'backing-file' specified, but 'top' is the active layer"
  const overlay = between(world, device.name, top.name).slice(-1)[0]
  return (
    (overlay === undefined ? undefined : objectionToBusy(world, overlay.name)) ??
    ((args.speed ?? 0) < 0 ? "Parameter 'speed' expects a non-negative value" : undefined) ??
    objectionToJobId(world, args['job-id']) ??
    objectionToWriting(world, base) ??
    objectionToReaders(world, between(world, top.name, base.name))
  )
}

const workOf = ({ device, top, base }: Span, args: Arguments): Job['work'] =>
  top.name === device.name
    ? {
        _tag: 'Mirror',
        source: device.name,
        target: base.name,
        sync: 'top',
        commits: true,
        dirty: undefined,
        padding: 'none',
        copyMode: 'background',
        end: undefined,
        targetAccess: base.access,
      }
    : {
        _tag: 'Commit',
        root: device.name,
        top: top.name,
        base: base.name,
        backingFile: args['backing-file'],
        maskProtocol: args['backing-mask-protocol'] ?? false,
        atBytes: undefined,
        baseAccess: base.access,
      }

/**
 * `block-commit`: an intermediate commit, or, where `top-node` is the device's own root, a mirror into the base.
 *
 * `base-node` left out is the lowest image of the chain. Sizes are not checked: QEMU does not.
 */
export const blockCommit = (world: World, args: Arguments): Outcome => {
  const device = nodeOf(world, args.device)
  if (device === undefined) return qemuRefuses(`Device '${args.device}' not found`, 'DeviceNotFound')
  if (!isRootNode(world, device)) return qemuRefuses('Need a root block node')
  const span = spanOf(world, device, args)
  if (typeof span === 'string') return qemuRefuses(span)
  const objection = objectionToSpan(world, span, args)
  if (objection !== undefined) return qemuRefuses(objection)
  const middle = between(world, span.top.name, span.base.name).map(({ name }) => name)
  const held = new Set([device.name, ...middle, span.base.name])
  return startJob(withNode(world, span.base.name, { access: 'read-write' }), args, { held, work: workOf(span, args) })
}
