import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Call } from '../../src/call/call.js'
import type { LibvirtCall } from '../../src/call/libvirt.js'
import { element } from '../../src/model/xml.js'
import { predictRevert } from '../../src/operation/libvirt-revert.js'
import { lossesOfRevert } from '../../src/operation/libvirt-revert-loss.js'
import type { RevertRequest } from '../../src/operation/machine-request.js'
import { machineFileView } from '../../src/simulate/machine-observe.js'
import { endOfMachine, runMachine } from '../../src/simulate/machine-trace.js'
import { equalViews, viewOf } from '../../src/index.js'

import { expectDone, pictures, reverted, throughLibvirt, throughQemuImg, worldFor } from './expect-revert.js'
import { vm } from './machine.js'
import type { Vm, VmSnapshot } from './machine.js'

/** A tree of snapshots on one or two disks: the n-th froze the n-th image of each; its parent is one of those before. */
interface Shape {
  readonly parents: ReadonlyArray<number>
  readonly active: number
  readonly two: boolean
  readonly to: number
}

const letters = 'abcdefgh'
const layer = (index: number): string =>
  Array.from({ length: 4 }, (_, at) => ((index * 7 + at * 3) % 4 < 2 ? (letters[(index + at) % 8] ?? '-') : '-')).join(
    '',
  )

/** The picture of a tree of frozen images with the active one on one of them. */
const picture = ({ parents, active }: Shape, letter: string): string => {
  const node = (index: number): string => {
    const below = parents.flatMap((parent, child) => (parent === index && child > index ? [node(child)] : []))
    const all = index === active ? [...below, `${letter}.now[${layer(9)}]^`] : below
    const own = `${letter}${index}[${layer(index)}]`
    if (all.length === 0) return own
    return all.length === 1 ? `${own} <- ${all[0] ?? ''}` : `${own} <- (${all.join(', ')})`
  }
  return node(0)
}

const vmOf = (shape: Shape, more: Partial<Vm>): Vm => {
  const snapshots = shape.parents.map((parent, index): VmSnapshot => ({
    name: `s${index}`,
    ...(index === 0 ? {} : { parent: `s${parent}` }),
    vda: `v${index}`,
    ...(shape.two ? { vdb: index % 3 === 2 ? 'no' : `w${index}` } : {}),
  }))
  return {
    disks: { vda: picture(shape, 'v'), ...(shape.two ? { vdb: picture(shape, 'w') } : {}) },
    snapshots,
    current: `s${shape.active}`,
    ...more,
  }
}

const shapes: fc.Arbitrary<Shape> = fc
  .tuple(
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.nat(), { minLength: 5, maxLength: 5 }),
    fc.boolean(),
    fc.nat(),
    fc.nat(),
  )
  .map(([count, picks, two, active, to]) => ({
    parents: Array.from({ length: count }, (_, index) => (index === 0 ? 0 : (picks[index] ?? 0) % index)),
    active: active % count,
    two,
    to: to % count,
  }))

const requests: fc.Arbitrary<Omit<RevertRequest, 'to'>> = fc.record(
  {
    present: fc.constantFrom('keep', 'discard'),
    later: fc.constantFrom('keep', 'delete'),
    guest: fc.constantFrom('running', 'paused', 'shut-off'),
    definition: fc.constantFrom('as now', 'as taken'),
  },
  { requiredKeys: [] },
)

const inPlace = new Map([['vda', 'in place' as const]])

describe('of every tree', () => {
  it('the guest reads the point in time, and all that is not given up reads as before: through libvirt', () => {
    fc.assert(
      fc.property(
        shapes,
        requests,
        fc.boolean(),
        fc.constantFrom('running', 'paused', 'shut-off'),
        (shape, asked, place, state) => {
          const overlays = place && asked.present === 'discard' ? { overlays: inPlace } : {}
          reverted(vm(vmOf(shape, { state })), { to: `s${shape.to}`, ...asked, ...overlays })
        },
      ),
      { numRuns: 150 },
    )
  })

  it('and without it', () => {
    fc.assert(
      fc.property(shapes, requests, fc.boolean(), (shape, { present = 'keep', later = 'keep' }, place) => {
        const overlays = place && present === 'discard' ? { overlays: inPlace } : {}
        const built = vm(vmOf(shape, { state: 'shut-off', records: 'none' }))
        reverted(built, { to: `s${shape.to}`, present, later, ...overlays }, throughQemuImg)
      }),
      { numRuns: 150 },
    )
  })

  it("libvirt's own next revert loses no point in time, and its files are as foreseen", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { after } = reverted(vm(vmOf({ ...shape, two: false }, {})), { to: `s${shape.to}` })
        for (const name of after.snapshots.keys()) {
          const next = predictRevert(after, name, { flags: [], seconds: 1 })
          const lost = E.isRight(next) ? lossesOfRevert(after, next.right) : [next.left]
          expect(lost).toStrictEqual([{ snapshot: undefined, disk: 'vda', image: after.disks.get('vda')?.active }])
        }
      }),
      { numRuns: 50 },
    )
  })

  it('a revert to where one is, with the present discarded, changes no more than the name of the active image', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const built = vm(vmOf({ ...shape, to: shape.active, two: false }, {}))
        const { after } = reverted(built, { to: `s${shape.active}`, present: 'discard' })
        const named = (text: string): string => text.replace(`v${shape.active}.s${shape.active}`, 'v.now')
        const before = pictures(built.machine)['vda'] ?? ''
        expect(
          named(pictures(after)['vda'] ?? '')
            .split(/[ ,()]+/)
            .sort(),
        ).toStrictEqual(before.split(/[ ,()]+/).sort())
      }),
    )
  })
})

const calls = (...functions: ReadonlyArray<LibvirtCall>) =>
  functions.map((one) => ({ call: { _tag: 'Libvirt', function: one } satisfies Call, why: '' }))

describe('B09 begun by us', () => {
  const built = vm({
    disks: { vda: 'v[ab--] <- v.1[-c--] <- v.2[--d-] <- v.3[---e]^' },
    snapshots: [
      { name: 's1', vda: 'v' },
      { name: 's2', parent: 's1', vda: 'v.1' },
      { name: 's3', parent: 's2', vda: 'v.2' },
    ],
    current: 's3',
  })

  it("revert s2; then libvirt's own: take s4, delete s4, revert s3: s3 is there", () => {
    const plan = reverted(built, { to: 's2', guest: 'running' })
    expectDone(plan, built)
    const domain = 'vm'
    const xml = element('domainsnapshot', {}, [element('name', {}, ['s4'])])
    const trace = runMachine(worldFor(plan.before, built.contents), [
      ...plan.steps,
      ...calls(
        {
          call: 'virDomainSnapshotCreateXML',
          arguments: { domain, xml },
          flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'],
        },
        { call: 'virDomainSnapshotDelete', arguments: { domain, snapshot: 's4' }, flags: [] },
        { call: 'virDomainRevertToSnapshot', arguments: { domain, snapshot: 's3' }, flags: [] },
      ),
    ])
    expect(trace.fault).toBeUndefined()
    const shown = machineFileView(endOfMachine(trace), '/images/v.2')
    const chain = built.machine.disks.get('vda')
    const was = chain && viewOf(chain, built.contents.get('vda') ?? new Map(), 'v.2')
    expect(E.isRight(shown) && was !== undefined && equalViews(was, shown.right)).toBe(true)
    expect(throughLibvirt.via).toBe(plan.via)
  })
})
