// A random walk of at least 200 operations on a libvirt domain. BC_SEED and BC_WALK choose it; a failure says which it was.

import { expect, it } from 'vitest'
import { labForAll } from './machine/lab.js'
import { walk } from './machine/walk.js'

const seed = Number(process.env['BC_SEED'] ?? 20261126)
const steps = Number(process.env['BC_WALK'] ?? 200)

const lab = labForAll()

it(`takes, deletes, reverts, forgets, commits, pulls, renames, saves and restores at random, BC_SEED=${String(seed)} BC_WALK=${String(steps)}`, async () => {
  const counts = await walk(lab, { seed, steps })
  const many = (is: (what: string) => boolean): number =>
    Array.from(counts).reduce((sum, [what, count]) => (is(what) ? sum + count : sum), 0)
  expect(many((what) => !what.includes(':'))).toBeGreaterThan(steps / 2)
  expect(many((what) => what.startsWith('change by hand'))).toBeGreaterThan(steps / 100)
  expect(many((what) => what.startsWith('rename by hand'))).toBeGreaterThan(steps / 200)
  expect(many((what) => what.startsWith('save '))).toBeGreaterThan(steps / 50)
  expect(many((what) => what.startsWith('restore ') || what === 'start restored')).toBeGreaterThan(steps / 200)
  expect(many((what) => what.endsWith(' meanwhile') && !/^(restore|drop) /.test(what))).toBeGreaterThan(0)
  expect(many((what) => what.endsWith(': StateSaved'))).toBeGreaterThan(0)
}, 1_800_000)
