import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, isSnapshotName, machine, parseChain, take } from '../../src/index.js'
import type { Machine } from '../../src/index.js'

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

const chain = (() => {
  const parsed = parseChain('v <- v.1^')
  if (E.isLeft(parsed)) throw new Error('no chain')
  return parsed.right.chain
})()

const made = (snapshots: ReadonlyArray<string>) =>
  machine({
    name: 'vm',
    state: 'shut-off',
    disks: [chain],
    snapshots: snapshots.map((name) => ({ name, disks: [['vda', { mode: 'external', frozen: 'v' }]] as const })),
  })

const bare: Machine = (() => {
  const of = made([])
  if (E.isLeft(of)) throw new Error('no machine')
  return of.right
})()

/** What libvirt 11.3 did with each of them, when it was asked. */
const taken: ReadonlyArray<readonly [string, string]> = [
  ['a word', 'monday'],
  ['spaces alone', '   '],
  ['a space in front and behind', ' a '],
  ['a dot behind', 'a.'],
  ['a dash in front', '--x'],
  ['a character beyond ASCII', 'müller 🐢'],
  ['247 bytes', 'x'.repeat(247)],
  ['123 characters of two bytes, and one', `${'ü'.repeat(123)}x`],
  ['61 characters of four bytes, and one of three', `${'🐢'.repeat(61)}…`],
]

const refused: ReadonlyArray<readonly [string, string]> = [
  ['nothing: libvirt takes the time for a name', ''],
  ['a slash', 'a/b'],
  ['a dot in front', '.a'],
  ['248 bytes: no record is written', 'x'.repeat(248)],
  ['124 characters of two bytes', 'ü'.repeat(124)],
  ['83 characters of three bytes', '…'.repeat(83)],
  ['62 characters of four bytes', '🐢'.repeat(62)],
  ['a line break, which libvirt would take', 'a\nb'],
  ['a tab, which libvirt would take', 'a\tb'],
  ['a carriage return, which libvirt would take', 'a\rb'],
  ['what XML does not carry', 'a\u0000b'],
  ['half a character', 'a\uD83D'],
]

describe('the name of a snapshot', () => {
  it.each(taken)('can be %s', (_, name) => {
    expect(isSnapshotName(name)).toBe(true)
    expect(E.isRight(made([name]))).toBe(true)
    expect(E.isRight(take(bare, { name }, { via: 'qemu-img', capabilities }))).toBe(true)
  })

  it.each(refused)('cannot be %s', (_, name) => {
    expect(isSnapshotName(name)).toBe(false)
    expect(made([name])).toEqual(E.left([{ _tag: 'SnapshotNameInvalid', snapshot: name }]))
    expect(take(bare, { name }, { via: 'qemu-img', capabilities })).toEqual(
      E.left({ _tag: 'SnapshotNameWrong', snapshot: name, why: 'invalid', alternatives: [] }),
    )
  })
})
