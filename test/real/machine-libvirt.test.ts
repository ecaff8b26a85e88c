// libvirt's own deletion against what we foresee of it, on machines in whatever state libvirt has brought them to.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { listen } from './harness/execute-virsh.js'
import { startLibvirt } from './lab/libvirtd.js'
import { walkOfLibvirt } from './machine/libvirt-walk.js'
import type { Lab } from './machine/stage.js'

const seed = Number(process.env['BC_SEED'] ?? 20261126)

let lab: Lab

beforeAll(async () => {
  const libvirt = await startLibvirt()
  lab = { libvirt, events: await listen(libvirt) }
})

afterAll(async () => {
  lab.events.stop()
  await lab.libvirt.stop()
})

it(`libvirt's own functions at random, BC_SEED=${String(seed)}`, async () => {
  const counts = await walkOfLibvirt(lab, { seed, machines: Number(process.env['BC_MACHINES'] ?? 4), steps: 20 })
  expect(counts.size).toBeGreaterThan(5)
})
