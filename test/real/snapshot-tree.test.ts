// The tree of snapshots, held against virsh on libvirt's test driver, which has no guests and keeps nothing.

import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { machine } from '../../src/model/machine-make.js'
import { printSnapshotTree } from '../../src/render/snapshot-tree.js'
import { right } from '../codec/captured.js'

interface Node {
  readonly name: string
  readonly parent: string | undefined
}

/** Each snapshot but the first is taken right after a revert to its parent. */
const virshTree = (nodes: ReadonlyArray<Node>): string => {
  const commands = nodes.flatMap(({ name, parent }) => [
    ...(parent === undefined ? [] : [`snapshot-revert test ${parent}`]),
    `snapshot-create-as test ${name}`,
  ])
  const script = [...commands, 'snapshot-list test --tree'].join('; ')
  const { stdout, status } = spawnSync('virsh', ['--quiet', '-c', 'test:///default', script], { encoding: 'utf8' })
  expect(status).toBe(0)
  return stdout
}

const name = fc.string({ unit: fc.constantFrom(...'abyzABYZ019_-éÉｚ💾'), minLength: 1, maxLength: 3 })

/** Names that virsh does not take for options, and that differ by more than case: equal ones it prints in any order. */
const nodes: fc.Arbitrary<ReadonlyArray<Node>> = fc
  .uniqueArray(
    name.filter((text) => !text.startsWith('-')),
    { selector: (text) => text.toLowerCase(), minLength: 1, maxLength: 12 },
  )
  .chain((names) =>
    fc.tuple(fc.constant(names), fc.array(fc.nat(), { minLength: names.length, maxLength: names.length })),
  )
  .map(([names, drawn]) =>
    names.map((one, at) => ({ name: one, parent: at === 0 ? undefined : names[(drawn[at] ?? 0) % at] })),
  )

test('random trees print as virsh prints them', () => {
  fc.assert(
    fc.property(nodes, (tree) => {
      const snapshots = tree.map(({ name: one, parent }) => ({
        ...(parent === undefined ? {} : { parent }),
        ...{ name: one, disks: [] },
      }))
      const made = right(machine({ name: 'test', state: 'running', disks: [], snapshots }))
      expect(printSnapshotTree(made)).toBe(virshTree(tree))
    }),
    { numRuns: 50 },
  )
})
