// A random walk of at least 200 operations on a libvirt domain. BC_SEED and BC_WALK choose it; a failure says which it was.

import { expect, it } from 'vitest'
import { labForAll } from './machine/lab.js'
import { walk } from './machine/walk.js'

const seed = Number(process.env['BC_SEED'] ?? 20261126)
const steps = Number(process.env['BC_WALK'] ?? 200)

const lab = labForAll()

it(`takes, deletes, reverts, forgets, commits, pulls and renames at random, BC_SEED=${String(seed)} BC_WALK=${String(steps)}`, async () => {
  const counts = await walk(lab, { seed, steps })
  const planned = Array.from(counts).flatMap(([what, count]) => (what.includes(':') ? [] : [count]))
  expect(planned.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(steps / 2)
  expect(counts.get('change by hand') ?? 0).toBeGreaterThan(steps / 40)
  expect(counts.get('rename by hand') ?? 0).toBeGreaterThan(steps / 100)
}, 1_800_000)
