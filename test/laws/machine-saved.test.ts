import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { checkMachinePlan } from '../../src/index.js'
import type { ChainRequest, Machine, MachineHost, MachinePlan, SavedPlace } from '../../src/index.js'
import { activeImage } from '../../src/model/chain-query.js'
import { placeOf } from '../../src/model/header.js'
import { withMachine } from '../../src/model/machine.js'
import { changeChain } from '../../src/operation/change-chain.js'
import { deleteSnapshots } from '../../src/operation/delete.js'
import { renameImage } from '../../src/operation/rename-image.js'
import { restoreState } from '../../src/operation/restore-state.js'
import { saveState } from '../../src/operation/save-state.js'
import { endOfMachine, liveChain } from '../../src/simulate/index.js'
import type { MachineWorld } from '../../src/simulate/index.js'
import {
  arbitraryChainRequest,
  arbitraryDeleteRequest,
  arbitraryMachine,
  arbitraryRenameImageRequest,
  assertMachinePlanSimulates,
} from '../../src/testing/index.js'
import { numRuns, operations, ways } from './machine-ways.js'
import type { Asking } from './machine-ways.js'
import { assertRestores, ran, resume, right, savedOf, wrongAtStart } from './saved-machine.js'
import type { Planned, Saved } from './saved-machine.js'

const { host } = ways.libvirt

const places = fc.constantFrom<SavedPlace>({ kind: 'managed' }, { kind: 'file', path: '/images/vm.memory-of-now' })

const running = fc
  .record({ of: arbitraryMachine({ state: 'running' }), place: places })
  .filter(({ of }) => of.machine.snapshots.size > 0 && of.machine.definitions?.persistent !== undefined)

const repointing: Readonly<Record<'delete' | 'change a chain' | 'rename an image', Asking>> = {
  delete: (machine) =>
    arbitraryDeleteRequest(machine).map(
      (request) => () => deleteSnapshots(machine, { ...request, how: 'auto', saved: 'repoint' }, host),
    ),
  'change a chain': (machine) =>
    arbitraryChainRequest(machine).map(
      (request) => () => changeChain(machine, { ...request, metadata: 'carry', saved: 'repoint' }, host),
    ),
  'rename an image': (machine) =>
    arbitraryRenameImageRequest(machine).map(
      (request) => () => renameImage(machine, { ...request, saved: 'repoint' }, host),
    ),
}

/** What random cases are does not fit on a page: the seed has them again. */
const quiet = { [fc.toStringMethod]: () => 'a case' }

interface Case {
  readonly saved: Saved
  readonly planned: () => Planned
  readonly unguarded: () => Planned
}

/** A request of a machine whose memory is saved, and the same where nobody knows of that. */
const cases = (asking: Asking, unsaved: MachineHost = { ...host, managedSave: 'none' }): fc.Arbitrary<Case> =>
  running.chain(({ of, place }) => {
    const saved = savedOf(of, place)
    const bare = withMachine(saved.machine, { saved: [] })
    return fc.integer().map((seed) => {
      const one = (machine: Machine, by: MachineHost): (() => Planned) =>
        fc.sample(asking(machine, by), { seed, numRuns: 1 })[0] ??
        (() => E.left({ _tag: 'NothingSelected', alternatives: [] }))
      return { ...quiet, saved, planned: one(saved.machine, host), unguarded: one(bare, unsaved) }
    })
  })

/** The same, with everything gone that nobody reads any more. */
const removing = (request: ChainRequest): ChainRequest =>
  'commit' in request
    ? { ...request, metadata: 'carry', commit: { ...request.commit, leftovers: 'remove' } }
    : { ...request, metadata: 'carry', pull: { ...request.pull, leftovers: 'remove' } }

/** True where the guest does not start, reads something else, or writes to another image than the next start reads. */
const isBroken = (machine: MachineWorld, { after }: MachinePlan, saved: Saved): boolean => {
  const started = resume(machine, saved.place)
  if (E.isLeft(started) || wrongAtStart(machine, saved) !== undefined) return true
  return Array.from(after.disks.values()).some((chain) => {
    const world = started.right.worlds.get(chain.disk)
    const top = world === undefined ? undefined : liveChain(world).at(-1)?.path
    return top !== placeOf(activeImage(chain))
  })
}

describe('saving the memory', () => {
  it('is what the plan says, and a restore reads what the guest read', () => {
    fc.assert(
      fc.property(running, ({ of, place }) => {
        const plan = right(saveState(of.machine, { to: place }, host))
        expect(checkMachinePlan(plan)).toEqual([])
        assertMachinePlanSimulates(plan, of.contents, {})
        const saved = savedOf(of, place)
        const back = right(restoreState(saved.machine, { from: place }, host))
        expect(checkMachinePlan(back)).toEqual([])
        expect(back.after.state).toBe('running')
        expect(wrongAtStart(saved.world, saved)).toBeUndefined()
        expect(back.after.saved.map(({ disks }) => disks)).toEqual(place.kind === 'managed' ? [] : ['written since'])
      }),
      { numRuns: numRuns(60) },
    )
  })
})

describe('after every plan that is not refused while memory is saved, a restore reads what the guest read', () => {
  // What comes between saving and restoring, and these among it, is in the walk.
  const { save: _save, restore: _restore, drop: _drop, ...others } = operations
  const all: Readonly<Record<string, Asking>> = {
    ...others,
    'change a chain': (machine, by) =>
      arbitraryChainRequest(machine).map((request) => () => changeChain(machine, removing(request), by)),
  }
  for (const [name, asking] of Object.entries(all))
    it(`to ${name}; and without the guard some would break it`, () => {
      const count = { plans: 0, refused: 0, broken: 0 }
      fc.assert(
        fc.property(cases(asking), ({ saved, planned, unguarded }) => {
          const plan = planned()
          if (E.isRight(plan)) {
            count.plans += 1
            assertRestores(plan.right, saved)
            return
          }
          if (plan.left._tag !== 'StateSaved' && plan.left._tag !== 'ManagedSavePresent') return
          count.refused += 1
          const other = unguarded()
          if (E.isLeft(other)) return
          const trace = ran(saved.world, other.right)
          if (trace.fault === undefined && isBroken(endOfMachine(trace), other.right, saved)) count.broken += 1
        }),
        { numRuns: numRuns(80) },
      )
      // Forgetting touches no image, and a copy none that is there; what a change of a chain leaves reads the same, unless the saved state stores the whole chain.
      if (!['forget', 'extract', 'export', 'change a chain'].includes(name)) expect(count.broken).toBeGreaterThan(0)
    })
})

describe('a saved state that follows the disks', () => {
  for (const [name, asking] of Object.entries(repointing))
    it(`to ${name}: at every moment a restore reads what the guest read`, () => {
      let followed = 0
      fc.assert(
        fc.property(cases(asking), ({ saved, planned }) => {
          const plan = planned()
          if (E.isLeft(plan)) {
            if (plan.left._tag === 'StateSaved') throw new Error(JSON.stringify(plan.left))
            return
          }
          if (plan.right.after.saved[0]?.definition !== saved.machine.saved[0]?.definition) followed += 1
          assertRestores(plan.right, saved)
        }),
        { numRuns: numRuns(80) },
      )
      expect(followed).toBeGreaterThan(0)
    })
})
