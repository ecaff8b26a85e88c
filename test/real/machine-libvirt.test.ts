// libvirt's own deletion and revert against what we foresee of it, on machines in whatever state libvirt has brought them to.

import { expect, it } from 'vitest'
import { labForAll } from './machine/lab.js'
import { walkOfLibvirt } from './machine/libvirt-walk.js'

const seed = Number(process.env['BC_SEED'] ?? 20261126)
const machines = Number(process.env['BC_MACHINES'] ?? 4)

const lab = labForAll()

it.each(['some', 'many'] as const)(
  `libvirt's own functions at random, %s reverts, BC_SEED=${String(seed)}`,
  async (reverts) => {
    const counts = await walkOfLibvirt(lab, { seed, machines, steps: 20, reverts })
    const reverted = Array.from(counts.keys()).filter((what) => what.startsWith('revert'))
    expect(counts.size).toBeGreaterThan(5)
    expect(reverted.length).toBeGreaterThan(1)
    if (reverts === 'many') expect(reverted.join('; ')).toContain(' with memory')
  },
)
