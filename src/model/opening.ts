import type { Chain } from './chain.js'
import { activePath } from './chain-query.js'
import type { GuestState } from './guest.js'

/**
 * Who has an image open: the QEMU of the machine in question, another guest, somebody on another host, a program besides, or
 * somebody whom nobody can name.
 *
 * @since 0.2.0
 */
export type Opener =
  | { readonly _tag: 'ThisGuest' }
  | { readonly _tag: 'OtherGuest' | 'OtherHost' | 'Tool'; readonly name: string }
  | { readonly _tag: 'Unknown' }

/**
 * How an image is open.
 *
 * - `write`: it may be written, now or later: whoever opens it so keeps everybody else out, readers too.
 * - `read`: it is relied on to stay as it is; any number may do so, and nobody may write meanwhile.
 * - `header`: only its header is looked at, which keeps nobody out and is kept out by nobody: `qemu-img create -b`.
 *
 * QEMU's `file` driver has byte locks for it (`locking`), which are advisory: no lock at all, on some network file systems or with
 * `locking=off`, means that nothing stops the writer, and not that he may.
 *
 * @since 0.2.0
 */
export type Access = 'write' | 'read' | 'header'

/**
 * That somebody has an image open.
 *
 * @since 0.2.0
 */
export interface Opening {
  readonly image: string
  readonly by: Opener
  readonly access: Access
}

/**
 * What a guest has open by itself: its active image for writing, all that lies below for reading; nothing while it is shut off. A
 * paused guest has it open all the same.
 *
 * @example
 * import { openedByGuest, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const parsed = parseChain('base <- (a^, b)')
 * const opened = E.isRight(parsed) ? openedByGuest(parsed.right.chain, 'paused') : []
 * opened.map(({ image, access }) => `${access} ${image}`) // => ['read base', 'write a']
 *
 * @since 0.2.0
 */
export const openedByGuest = (chain: Chain, guest: GuestState): ReadonlyArray<Opening> =>
  guest === 'shut-off'
    ? []
    : activePath(chain).map(({ name }) => ({
        image: name,
        by: { _tag: 'ThisGuest' },
        access: name === chain.active ? 'write' : 'read',
      }))

/**
 * Whether two who open one image are in each other's way: a writer is, for everybody but one who only looks at the header.
 *
 * @since 0.2.0
 */
export const accessConflicts = (one: Access, other: Access): boolean =>
  one !== 'header' && other !== 'header' && (one === 'write' || other === 'write')

/** Whether two are the same one: the QEMU of the machine is, and of no other program is it known that it is not run twice. */
export const sameOpener = (one: Opener, other: Opener): boolean =>
  one._tag === 'ThisGuest' && other._tag === 'ThisGuest'
