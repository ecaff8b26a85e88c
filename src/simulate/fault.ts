import * as E from 'fp-ts/lib/Either.js'

import type { Wait } from '../call/wait.js'
import type { World } from './world.js'

/**
 * Why the outside did not do what it was asked.
 *
 * - `Refused`: the program said no, and nothing has changed. `desc` is its own text; `class` is QMP's error class.
 * - `Failed`: the program gave up on the way. `world` is what it left.
 * - `Crash`: QEMU died of it. `world` is what is left.
 * - `Hang`: the program never returns.
 * - `WaitFailed`, `WaitNeverReached`: what a step waits for cannot come any more. `world` is where it got stuck.
 * - `GuestBlocked`: a guest that is paused, held up, frozen or shut off writes nothing.
 * - `Unmodelled`: the simulator does not know what would happen, and does not guess.
 *
 * @since 0.1.0
 */
export type Fault<W = World> =
  | { readonly _tag: 'Refused'; readonly by: Refuser; readonly class: string; readonly desc: string }
  | { readonly _tag: 'Failed'; readonly by: Refuser; readonly desc: string; readonly world: W }
  | { readonly _tag: 'Crash'; readonly desc: string; readonly world: W }
  | { readonly _tag: 'Hang'; readonly by: Refuser; readonly desc: string }
  | { readonly _tag: 'WaitFailed'; readonly wait: Wait; readonly desc: string; readonly world: W }
  | { readonly _tag: 'WaitNeverReached'; readonly wait: Wait; readonly desc: string; readonly world: W }
  | { readonly _tag: 'GuestBlocked'; readonly desc: string }
  | { readonly _tag: 'Unmodelled'; readonly desc: string }

/** Who refused. */
export type Refuser = 'QEMU' | 'libvirt' | 'qemu-img' | 'file system' | 'guest agent' | 'host'

/** What a call makes of the world. */
export type Outcome = E.Either<Fault, World>

/** A refusal by QEMU, in its own words. */
export const qemuRefuses = (desc: string, kind = 'GenericError'): E.Either<Fault<never>, never> =>
  E.left({ _tag: 'Refused', by: 'QEMU', class: kind, desc })

/** A refusal by libvirt, in its own words. */
export const libvirtRefuses = (desc: string): E.Either<Fault<never>, never> =>
  E.left({ _tag: 'Refused', by: 'libvirt', class: 'libvirtError', desc })

/** A refusal by qemu-img, in its own words, without the `qemu-img: ` in front. */
export const qemuImgRefuses = (desc: string): E.Either<Fault<never>, never> =>
  E.left({ _tag: 'Refused', by: 'qemu-img', class: 'exit 1', desc })

/** Something that the simulator does not know. */
export const unmodelled = (desc: string): E.Either<Fault<never>, never> => E.left({ _tag: 'Unmodelled', desc })
