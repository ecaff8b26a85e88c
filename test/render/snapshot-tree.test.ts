import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { decodeSnapshots } from '../../src/codec/domain-snapshot.js'
import { machine } from '../../src/model/machine-make.js'
import type { Machine } from '../../src/model/machine.js'
import { printSnapshotTree } from '../../src/render/snapshot-tree.js'
import { captured, capturedIn, right } from '../codec/captured.js'

/** A machine with these snapshots, each `child < parent` or a root. */
const tree = (...lines: ReadonlyArray<string>): Machine => {
  const snapshots = lines.map((line) => {
    const [name = '', parent] = line.split(' < ')
    return parent === undefined ? { name, disks: [] } : { name, parent, disks: [] }
  })
  return right(machine({ name: 'vm', state: 'running', disks: [], snapshots }))
}

const scenes = capturedIn('10.0/snapshots', '')

describe('printSnapshotTree', () => {
  test.each(scenes)('%s, as virsh 11.3 printed it', (scene) => {
    const folder = `10.0/snapshots/${scene}`
    const xmls = capturedIn(folder, '.xml').filter((name) => name.startsWith('snapshot-'))
    const snapshots = right(decodeSnapshots(xmls.map((name) => captured(`${folder}/${name}`))))
    const described = snapshots.map(({ name, parent }) =>
      parent === undefined ? { name, disks: [] } : { name, parent, disks: [] },
    )
    const made = machine({ name: 'vm', state: 'running', disks: [], snapshots: described })
    // captured without --quiet, hence the empty line at the end
    expect(`${printSnapshotTree(right(made))}\n`).toBe(captured(`${folder}/list.tree.txt`))
  })

  test('branches in branches, several roots', () => {
    expect(
      printSnapshotTree(tree('b', 'b1 < b', 'b2 < b', 'b11 < b1', 'b12 < b1', 'b121 < b12', 'a', 'c', 'c1 < c')),
    ).toBe(
      [
        'a',
        '',
        'b',
        '  |',
        '  +- b1',
        '  |   |',
        '  |   +- b11',
        '  |   +- b12',
        '  |       |',
        '  |       +- b121',
        '  |         ',
        '  +- b2',
        '    ',
        'c',
        '  |',
        '  +- c1',
        '    ',
        '',
      ].join('\n'),
    )
  })

  // As `virsh -c test:///default` prints them.
  test('siblings in the order of virsh: A to Z like a to z, then by code points', () => {
    const names = ['💾', 'ｚ', 'é', 'É', 'Z', 'b', 'aa', 'A', '_', '9', '10']
    const printed = printSnapshotTree(tree('r', ...names.map((name) => `${name} < r`)))
    expect(printed.match(/(?<=\+- ).*/g)).toEqual(['10', '9', '_', 'A', 'aa', 'b', 'Z', 'É', 'é', 'ｚ', '💾'])
  })

  test('a name before those that go on from it, however they are given', () => {
    const names = ['a', 'aa', 'ab', 'aba', 'b']
    for (const given of [names, names.slice().reverse(), ['aa', 'a', 'aba', 'ab', 'b']]) {
      const printed = printSnapshotTree(tree('r', ...given.map((name) => `${name} < r`)))
      expect(printed.match(/(?<=\+- ).*/g)).toEqual(names)
    }
  })

  test('a child may be given before its parent, and be called like a member of an object', () => {
    expect(printSnapshotTree(tree('constructor < __proto__', '__proto__'))).toBe(
      '__proto__\n  |\n  +- constructor\n    \n',
    )
  })

  test('no limit but memory', () => {
    const deep = tree(...Array.from({ length: 3000 }, (_, at) => (at === 0 ? '0' : `${at} < ${at - 1}`)))
    expect(printSnapshotTree(deep).split('\n')).toHaveLength(3000 * 2 + 1)
    const wide = tree('r', ...Array.from({ length: 100_000 }, (_, at) => `${at} < r`))
    expect(printSnapshotTree(wide).split('\n')).toHaveLength(100_000 + 4)
    const roots = tree(...Array.from({ length: 100_000 }, (_, at) => `${at}`))
    expect(printSnapshotTree(roots).split('\n')).toHaveLength(200_001)
  })

  test('every snapshot has its line once, and stands below and right of its parent', () => {
    const parents = fc.array(fc.nat(), { maxLength: 30 })
    fc.assert(
      fc.property(parents, (drawn) => {
        const parentOf = drawn.map((one, at) => (at === 0 || one % 5 === 0 ? undefined : one % at))
        const of = tree(...parentOf.map((parent, at) => (parent === undefined ? `s${at}` : `s${at} < s${parent}`)))
        const lines = printSnapshotTree(of).split('\n')
        const where = (at: number): readonly [number, number] => {
          const row = lines.findIndex((line) => line.replace(/^[ |]*(\+- )?/, '') === `s${at}`)
          return [row, lines[row]?.indexOf('s') ?? -1]
        }
        for (const [at, parent] of parentOf.entries()) {
          const [row, column] = where(at)
          expect(row).toBeGreaterThanOrEqual(0)
          if (parent === undefined) expect(column).toBe(0)
          else
            expect([row > where(parent)[0], column]).toEqual([
              true,
              where(parent)[1] + (parentOf[parent] === undefined ? 5 : 4),
            ])
        }
      }),
    )
  })
})
