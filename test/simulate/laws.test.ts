// Laws over random chains: what QEMU keeps, it keeps here too, with the guest writing in between.

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { equalViews, layer, layerOfPattern, override } from 'backing-chain'
import type { Layer, Run } from 'backing-chain'
import { endOf, fileView, guestView, kill, run } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { at, commitActive, commitJob, dismiss, host, img, node, qmp, right, shutOff, streamJob } from './pretend.js'

const cell = fc.constantFrom('-', '-', '0', 'a', 'b', 'c')
const layers = (cells: fc.Arbitrary<number>) =>
  fc.array(
    cells.chain((count) => fc.array(cell, { minLength: count, maxLength: count }).map((row) => row.join(''))),
    { minLength: 2, maxLength: 5 },
  )
const anySizes = layers(fc.integer({ min: 1, max: 7 }))
const oneSize = fc.integer({ min: 1, max: 7 }).chain((count) => layers(fc.constant(count)))

const pictureOf = (rows: ReadonlyArray<string>): string =>
  `${rows.map((row, index) => `l${index}[${row}]`).join(' <- ')}^`
const writes = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.constantFrom('x', 'y', 'z')), { maxLength: 8 })

const runAt = (index: number, source: string, cells: number): Run =>
  layerOfPattern('-'.repeat(index % cells) + source).runs[0] ?? { kind: 'zero', startBytes: 0, endBytes: 65536 }

/** Runs steps with the guest writing at each moment; the view must be the one before with the writes on it, at each. */
const assertViewKept = (world: World, steps: ReadonlyArray<SimStep>, todo: ReadonlyArray<Run>): World => {
  const left = [...todo]
  const trace = run(world, steps, { progressBytes: 65536, writes: () => left.splice(0, 1) })
  expect(trace.fault).toBeUndefined()
  let expected: Layer | undefined = guestView(world)
  for (const moment of trace.moments) {
    if (moment.run !== undefined && expected !== undefined)
      expected = override(expected, right(layer(expected.sizeBytes, [moment.run])))
    const shown = guestView(moment.world)
    expect(shown !== undefined && expected !== undefined && equalViews(shown, expected)).toBe(true)
  }
  return endOf(trace)
}

const sized = (rows: ReadonlyArray<string>): number => rows.at(-1)?.length ?? 1
const toRuns = (todo: ReadonlyArray<readonly [number, string]>, cells: number): ReadonlyArray<Run> =>
  todo.map(([index, source]) => runAt(index, source, cells))

describe('whatever the sizes', () => {
  it('a stream of everything keeps what the guest reads', () => {
    fc.assert(
      fc.property(anySizes, writes, fc.nat(), (rows, todo, place) => {
        const into = `l${1 + (place % (rows.length - 1))}`
        assertViewKept(host(pictureOf(rows)), [streamJob(into, undefined), dismiss], toRuns(todo, sized(rows)))
      }),
    )
  })

  it('a commit of the active image keeps it where no base is larger', () => {
    fc.assert(
      fc.property(anySizes, writes, fc.nat(), (rows, todo, place) => {
        const base = place % (rows.length - 1)
        fc.pre((rows[base]?.length ?? 0) <= sized(rows))
        const steps = commitActive({ device: `l${rows.length - 1}`, base: `l${base}` })
        assertViewKept(host(pictureOf(rows)), steps, toRuns(todo, sized(rows)))
      }),
    )
  })

  it('a safe rebase keeps what every image shows', () => {
    fc.assert(
      fc.property(anySizes, fc.nat(), fc.nat(), (rows, above, below) => {
        const image = 1 + (above % (rows.length - 1))
        const to = below % (image + 1)
        const onto = to === image ? ['-b', ''] : ['-b', `l${to}`, '-F', 'qcow2']
        const before = shutOff(pictureOf(rows))
        const done = endOf(run(before, [img('rebase', ...onto, `/images/l${image}`)]))
        for (const index of rows.keys())
          expect(
            equalViews(right(fileView(done, `/images/l${index}`)), right(fileView(before, `/images/l${index}`))),
          ).toBe(true)
      }),
    )
  })

  it('a full mirror keeps it, and the copy that is kept equals it', () => {
    fc.assert(
      fc.property(anySizes, writes, fc.boolean(), (rows, todo, pivots) => {
        const size = String(sized(rows) * 65536)
        const device = node(`l${rows.length - 1}`)
        const steps = [
          img('create', '-f', 'qcow2', '/images/n', size),
          qmp({ execute: 'blockdev-add', arguments: { driver: 'file', 'node-name': 'n-s', filename: '/images/n' } }),
          qmp({
            execute: 'blockdev-add',
            arguments: { driver: 'qcow2', 'node-name': 'n', file: 'n-s', backing: null },
          }),
          qmp(
            {
              execute: 'blockdev-mirror',
              arguments: { 'job-id': 'j', device, target: 'n', sync: 'full', 'auto-dismiss': false },
            },
            at('j', 'ready'),
          ),
          pivots
            ? qmp({ execute: 'job-complete', arguments: { id: 'j' } }, at('j', 'concluded'))
            : qmp({ execute: 'block-job-cancel', arguments: { device: 'j' } }, at('j', 'concluded')),
        ]
        const done = assertViewKept(host(pictureOf(rows)), steps, toRuns(todo, sized(rows)).slice(0, 4))
        const shown = guestView(done)
        expect(shown !== undefined && equalViews(right(fileView(kill(done), '/images/n')), shown)).toBe(true)
      }),
    )
  })
})

describe('where all images have one size', () => {
  it('an intermediate commit keeps what the guest reads', () => {
    fc.assert(
      fc.property(oneSize, writes, fc.nat(), fc.nat(), (rows, todo, high, low) => {
        fc.pre(rows.length > 2)
        const top = 1 + (high % (rows.length - 2))
        const base = low % top
        const job = commitJob({
          device: `l${rows.length - 1}`,
          top: `l${top}`,
          base: `l${base}`,
          header: `/images/l${base}`,
        })
        assertViewKept(host(pictureOf(rows)), [job, dismiss], toRuns(todo, sized(rows)))
      }),
    )
  })

  it('a stream down to a base keeps it', () => {
    fc.assert(
      fc.property(oneSize, writes, fc.nat(), fc.nat(), (rows, todo, high, low) => {
        const into = 1 + (high % (rows.length - 1))
        assertViewKept(
          host(pictureOf(rows)),
          [streamJob(`l${into}`, `l${low % into}`), dismiss],
          toRuns(todo, sized(rows)),
        )
      }),
    )
  })
})

describe('kill', () => {
  it('twice is kill', () => {
    fc.assert(
      fc.property(anySizes, (rows) => {
        const killed = kill(host(pictureOf(rows)))
        expect(kill(killed)).toEqual(killed)
      }),
    )
  })
})
