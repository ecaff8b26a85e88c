import * as fc from 'fast-check'

import { activeImage } from '../model/chain-query.js'
import { placeOf } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import type { SavedPlace } from '../model/saved-state.js'
import type { DropRequest, RestoreRequest, SaveRequest } from '../operation/machine-request.js'

const managed: SavedPlace = { kind: 'managed' }

const inFile = (path: string): SavedPlace => ({ kind: 'file', path })

/** A file that is nobody's, mostly; once in a while that of a disk, or of a state that is there. */
const arbitraryTo = ({ disks, saved }: Machine): fc.Arbitrary<SavedPlace> => {
  const images = Array.from(disks.values(), (chain) => inFile(placeOf(activeImage(chain))))
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(managed) },
    { weight: 4, arbitrary: fc.constantFrom(inFile('/images/vm.memory-1'), inFile('/images/vm.memory-2')) },
    { weight: 1, arbitrary: fc.constantFrom(...images, ...saved.map(({ place }) => place), managed) },
  )
}

/** One of the states that there are, mostly. */
const arbitraryPlace = ({ saved }: Machine): fc.Arbitrary<SavedPlace> => {
  const places = saved.map(({ place }) => place)
  return fc.constantFrom(...places, ...places, ...places, managed)
}

/**
 * Random requests to save the memory of a guest: for its next start, or in a file.
 *
 * @since 0.2.0
 */
export const arbitrarySaveRequest = (machine: Machine): fc.Arbitrary<SaveRequest> =>
  fc.record({
    to: arbitraryTo(machine),
    guest: fc.constantFrom('as now' as const, 'as now' as const, 'running' as const, 'paused' as const),
  })

/**
 * Random requests to have a guest go on from saved memory.
 *
 * @since 0.2.0
 */
export const arbitraryRestoreRequest = (machine: Machine): fc.Arbitrary<RestoreRequest> =>
  fc.record({
    from: arbitraryPlace(machine),
    guest: fc.constantFrom('as saved' as const, 'as saved' as const, 'running' as const, 'paused' as const),
  })

/**
 * Random requests to give saved memory up.
 *
 * @since 0.2.0
 */
export const arbitraryDropRequest = (machine: Machine): fc.Arbitrary<DropRequest> =>
  fc.record({ place: arbitraryPlace(machine) })
