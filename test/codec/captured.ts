import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'

import { activePath } from '../../src/model/chain-query.js'
import type { Chain } from '../../src/model/chain.js'

const root = new URL('../fixtures/captured/', import.meta.url)

export const versions = ['7.2', '10.0'] as const

/** What a real program printed. */
export const captured = (path: string): string => readFileSync(fileURLToPath(new URL(path, root)), 'utf8')

/** The captured files of a folder with that ending. */
export const capturedIn = (folder: string, ending: string): ReadonlyArray<string> =>
  readdirSync(fileURLToPath(new URL(folder, root))).filter((name) => name.endsWith(ending))

export const right = <A>(decoded: E.Either<unknown, A>): A => {
  if (E.isRight(decoded)) return decoded.right
  throw new Error(`expected Right, found ${JSON.stringify(decoded.left)}`)
}

export const left = <L>(decoded: E.Either<L, unknown>): L => {
  if (E.isLeft(decoded)) return decoded.left
  throw new Error('expected Left, found Right')
}

/** The chain of the guest, base first, in one line. */
export const pictured = (of: Chain): string =>
  activePath(of)
    .map(({ name }) => name)
    .join(' <- ')
