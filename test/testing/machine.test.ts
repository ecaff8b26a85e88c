import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { machineProblems } from '../../src/model/machine-check.js'
import { arbitraryMachine } from '../../src/testing/machine.js'
import type { FilledMachine } from '../../src/testing/machine.js'
import { everySnapshotReads } from '../../src/testing/machine-contents.js'
import { machineWorldOf } from '../../src/simulate/index.js'

const happens = (so: (of: FilledMachine) => boolean): boolean =>
  fc.sample(arbitraryMachine({ persistence: 'any' }), { numRuns: 400, seed: 1 }).some(so)

const snapshots = ({ machine }: FilledMachine) => Array.from(machine.snapshots.values())
const modes = (of: FilledMachine, mode: string): boolean =>
  snapshots(of).some(({ disks }) => Array.from(disks.values()).some((held) => held.mode === mode))

describe('arbitraryMachine', () => {
  it('gives machines that hold together, in which every point in time reads something', () => {
    fc.assert(
      fc.property(arbitraryMachine(), (of) => {
        expect(machineProblems(of.machine)).toStrictEqual([])
        const reads = everySnapshotReads(of)
        for (const { name, disks } of snapshots(of))
          for (const [disk, { mode }] of disks)
            expect(reads.get(name)?.has(disk) === true).toBe(mode === 'external' || mode === 'internal')
        const { disks, inside } = of.contents
        expect(machineWorldOf(of.machine, disks, { inside })._tag).toBe('Right')
      }),
    )
  })

  it.each([
    ['three disks', ({ machine }: FilledMachine) => machine.disks.size === 3],
    [
      'a disk that came later',
      (of: FilledMachine) => snapshots(of).some(({ disks }) => disks.size < of.machine.disks.size),
    ],
    [
      'a snapshot with two children',
      (of: FilledMachine) =>
        snapshots(of).some(({ name }) => snapshots(of).filter(({ parent }) => parent === name).length > 1),
    ],
    [
      'a current snapshot with children',
      (of: FilledMachine) => snapshots(of).some(({ parent }) => parent !== undefined && parent === of.machine.current),
    ],
    ['internal snapshots', (of: FilledMachine) => modes(of, 'internal')],
    ['manual disks', (of: FilledMachine) => modes(of, 'manual')],
    ['disks that were left out', (of: FilledMachine) => modes(of, 'no')],
    ['memory', (of: FilledMachine) => snapshots(of).some(({ memory }) => memory._tag === 'External')],
    ['a transient domain', ({ machine }: FilledMachine) => machine.definitions?.persistent === undefined],
    ['every state', ({ machine }: FilledMachine) => machine.state === 'paused'],
  ])('gives %s', (_, so) => {
    expect(happens(so)).toBe(true)
  })
})
