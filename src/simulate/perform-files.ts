import * as E from 'fp-ts/lib/Either.js'

import type { FileCall } from '../call/files.js'
import type { Fault, Outcome } from './fault.js'
import { inodeOf, link, unlink } from './files.js'
import type { World } from './world.js'

const refused = (desc: string): E.Either<Fault, never> =>
  E.left({ _tag: 'Refused', by: 'file system', class: 'errno', desc })

/** `unlink(2)`, `rename(2)` and `link(2)`. None of them asks whether anybody still reads the file. */
export const performFiles = (world: World, call: FileCall): Outcome => {
  if (inodeOf(world, call.path) === undefined) return refused(`${call.path}: No such file or directory`)
  switch (call.operation) {
    case 'remove':
      return E.right(unlink(world, call.path))
    case 'rename':
      return E.right(unlinkOld(link(unlink(world, call.to), call.path, call.to), call.path))
    case 'link':
      return inodeOf(world, call.to) === undefined
        ? E.right(link(world, call.path, call.to))
        : refused(`${call.to}: File exists`)
  }
}

/** The second half of a rename: the file keeps its new name, so whoever has it open loses nothing. */
const unlinkOld = (world: World, path: string): World => {
  const gone = unlink(world, path)
  const open = gone.incidents.slice(world.incidents.length).filter(({ headers }) => headers.length > 0)
  return { ...gone, incidents: [...world.incidents, ...open.map((one) => ({ ...one, nodes: [] }))] }
}
