// What the examples do with their command lines, and with an Either.

import { pathToFileURL } from 'node:url'
import type { CommitRequest, PullRequest } from 'backing-chain'

/** True where a file is what node was started with, and is not imported by another one. */
export const isEntry = (url: string): boolean => url === pathToFileURL(process.argv[1] ?? '').href

type Either<L, A> = { readonly _tag: 'Left'; readonly left: L } | { readonly _tag: 'Right'; readonly right: A }

/** The value of a Right; throws what a Left says. */
export const valueOf = <L, A>(of: Either<L, A>, text: (left: L) => string = (left) => JSON.stringify(left)): A => {
  if (of._tag === 'Right') return of.right
  throw new Error(text(of.left))
}

export type Asked =
  | { readonly kind: 'commit'; readonly request: CommitRequest }
  | { readonly kind: 'pull'; readonly request: PullRequest }

/** Reads `commit TOP [BASE] [pivot|keep]` or `pull INTO [BASE]`. */
export const requestOf = ([kind, image, ...more]: ReadonlyArray<string>): Asked => {
  const end = more.find((word) => word === 'pivot' || word === 'keep')
  const [base] = more.filter((word) => word !== end)
  const below = base === undefined ? {} : { base }
  if (kind === 'pull' && image !== undefined) return { kind, request: { into: image, ...below } }
  if (kind === 'commit' && image !== undefined)
    return { kind, request: { top: image, ...below, ...(end === undefined ? {} : { end }) } }
  throw new Error('say: commit TOP [BASE] [pivot|keep], or: pull INTO [BASE]')
}
