import * as E from 'fp-ts/lib/Either.js'

import type { FormatOptions } from '../call/qmp.js'
import { flush } from './cache.js'
import { qemuRefuses, unmodelled } from './fault.js'
import type { Outcome } from './fault.js'
import { nodeOf, withNode } from './graph.js'
import { objectionToWriting } from './qmp-check.js'
import type { SimNode, World } from './world.js'

/** True where a job that has not ended writes a node. */
const isWritten = (world: World, { name }: SimNode): boolean =>
  world.qemu?.jobs.some(({ status, work }) => {
    if (status === 'concluded') return false
    if (work._tag === 'Stream' || work._tag === 'Mirror') return work.target === name
    return work._tag === 'Commit' && work.base === name
  }) === true

/** One node as it is to be open from now on; whatever it has not written out is flushed first. */
const reopened = (world: World, options: FormatOptions): Outcome => {
  const node = nodeOf(world, options['node-name'])
  if (node === undefined) return qemuRefuses(`Failed to find node with node-name='${options['node-name']}'`)
  const moved = (options.backing ?? undefined) !== node.backing || options.file !== node.storage
  if (moved || options.driver !== node.driver) return unmodelled('blockdev-reopen that changes more than the access')
  if (options['read-only'] === true) {
    return isWritten(world, node)
      ? qemuRefuses(`Read-only block node '${node.name}' cannot support read-write users`)
      : E.right(withNode(flush(world, node.file), node.name, { access: 'read-only' }))
  }
  const objection = objectionToWriting(world, node)
  return objection === undefined
    ? E.right(withNode(flush(world, node.file), node.name, { access: 'read-write' }))
    : qemuRefuses(objection)
}

/** `blockdev-reopen`: all nodes or none. */
export const blockdevReopen = (world: World, options: ReadonlyArray<FormatOptions>): Outcome => {
  let done: Outcome = E.right(world)
  for (const one of options) if (E.isRight(done)) done = reopened(done.right, one)
  return done
}
