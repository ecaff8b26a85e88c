import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { SavedState } from '../model/saved-state.js'
import { show, unlessWrong } from './decode-error.js'
import type { DecodeError } from './decode-error.js'
import { parsedXml } from './xml-document.js'

/**
 * Reads a saved state: the `<domain>` that `virsh managedsave-dumpxml` or `virsh save-image-dumpxml` prints, with what the caller
 * knows besides. What the guest does afterwards is not in it: `running`, unless it was paused when it was saved.
 *
 * Take the text with `--security-info`, where passwords are to survive that the state is written anew.
 *
 * Left: `TextWrong`, `ShapeWrong`.
 *
 * Source: libvirt `virDomainManagedSaveGetXMLDesc` (3.7.0), `virDomainSaveImageGetXMLDesc` (0.9.4).
 *
 * @example
 * import { decodeSavedState } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const state = decodeSavedState('<domain type="kvm"><name>vm</name></domain>', { place: { kind: 'managed' } })
 * E.isRight(state) ? [state.right.guest, state.right.disks] : state.left // => ['running', 'as saved']
 *
 * @since 0.2.0
 */
export const decodeSavedState = (
  xml: string,
  known: Pick<SavedState, 'place'> & Partial<Pick<SavedState, 'guest' | 'disks'>>,
): E.Either<DecodeError, SavedState> =>
  pipe(
    parsedXml(xml),
    E.flatMap((definition) =>
      unlessWrong(
        definition.name === 'domain' ? [] : [{ path: '/', expected: 'a <domain>', actual: show(definition.name) }],
        { guest: 'running', disks: 'as saved', ...known, definition, known: 'as printed' } as const,
      ),
    ),
  )
