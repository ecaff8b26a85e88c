import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import type { Chain } from '../model/chain.js'
import type { Image } from '../model/image.js'
import type { Fate } from '../plan/fate.js'
import type { CommonRequest } from './request.js'

/** A fate of one image. */
export type Mark = readonly [image: string, fate: Fate]

/** The fate of every image before and after: its marks, and `kept` where it has none. */
export const fatesOf = (
  before: Chain,
  after: Chain,
  marks: ReadonlyArray<Mark>,
): ReadonlyMap<string, ReadonlyNonEmptyArray<Fate>> => {
  const marked = new Map<string, Array<Fate>>()
  for (const [image, fate] of marks) marked.set(image, [...(marked.get(image) ?? []), fate])
  const fates = new Map<string, ReadonlyNonEmptyArray<Fate>>()
  for (const name of [...before.images.keys(), ...after.images.keys()]) {
    const own: ReadonlyArray<Fate> = marked.get(name) ?? []
    fates.set(name, isNonEmpty(own) ? own : ['kept'])
  }
  return fates
}

/** That files go, where the caller wants them to: what is not a file is left to whoever made it. */
export const removedMarks = ({ leftovers }: CommonRequest, dropped: ReadonlyArray<Image>): ReadonlyArray<Mark> =>
  leftovers === 'remove'
    ? dropped.filter(({ location }) => location._tag === 'File').map(({ name }) => [name, 'removed'])
    : []
