import * as E from 'fp-ts/lib/Either.js'

import type { Layer } from '../content/layer.js'
import { resized } from './cells.js'
import { qemuImgRefuses } from './fault.js'
import type { Fault } from './fault.js'
import { fileOf } from './files.js'
import { appliedIn } from './saved-layer.js'
import type { SavedLayer, World } from './world.js'

/** Which snapshot inside an image `-l` is about: by any of the two where the text alone is given, else by all that is. */
type Wanted =
  | { readonly by: 'either'; readonly text: string }
  | { readonly by: 'parameters'; readonly id: string | undefined; readonly name: string | undefined }

/** The members of a QemuOpts text: commas part them, two commas are one. */
const membersOf = (text: string): ReadonlyArray<readonly [key: string, value: string]> =>
  Array.from(text.matchAll(/((?:[^,]|,,)+)(?:,(?!,)|$)/g), ([, member = '']) => {
    const [key = '', ...value] = member.replaceAll(',,', ',').split('=')
    return [key, value.join('=')]
  })

/** Reads what `-l` says: a number or a name, or, with `snapshot.` in front, `snapshot.id=` and `snapshot.name=`. */
export const savedWanted = (text: string | undefined): E.Either<Fault, Wanted | undefined> => {
  if (text === undefined) return E.right(undefined)
  if (!text.startsWith('snapshot.')) return E.right({ by: 'either', text })
  const members = new Map(membersOf(text))
  const unknown = Array.from(members.keys()).find((key) => key !== 'snapshot.id' && key !== 'snapshot.name')
  return unknown === undefined
    ? E.right({ by: 'parameters', id: members.get('snapshot.id'), name: members.get('snapshot.name') })
    : qemuImgRefuses(`Invalid parameter '${unknown}'\nFailed in parsing snapshot param '${text}'`)
}

const found = (world: World, inode: string, wanted: Wanted): SavedLayer | undefined => {
  if (wanted.by === 'either') return appliedIn(world, inode, wanted.text)
  const { id, name } = wanted
  return fileOf(world, inode).internalSnapshots.find(
    (one) => (id === undefined || one.id === id) && (name === undefined || one.name === name),
  )
}

/**
 * What an image stores while a snapshot inside is loaded for reading, in the size that the image has today: what the snapshot has
 * beyond is not shown, and where the image has grown since the snapshot has a hole.
 */
export const temporarilyLoaded = (world: World, inode: string, wanted: Wanted): E.Either<Fault, Layer> => {
  const { format, layer } = fileOf(world, inode)
  const front = 'Failed to load snapshot:'
  if (format !== 'qcow2')
    return qemuImgRefuses(
      `${front} Block format '${format}' used by device '' does not support temporarily loading internal snapshots`,
    )
  const saved = found(world, inode, wanted)
  return saved === undefined
    ? qemuImgRefuses(`${front} Can't find snapshot`)
    : E.right(resized(saved.layer, layer.sizeBytes, 'holes'))
}
