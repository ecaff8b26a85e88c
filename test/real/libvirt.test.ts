// Every named case on a libvirt domain: live through virsh while the guest writes, and shut off with qemu-img and a
// definition that the plan mends.

import { afterAll, beforeAll, describe, it } from 'vitest'
import { casesFor, type NamedCase, type Via } from './cases.js'
import { listen, type Events } from './harness/execute-virsh.js'
import { runCase } from './harness/run-case.js'
import { definedStage, libvirtStage } from './harness/stage-libvirt.js'
import { inDaemon } from './harness/stage-storage-daemon.js'
import { startLibvirt, type Libvirt } from './lab/libvirtd.js'

/**
 * libvirt 11.3 prints a newline in a path as it is, so an XML reader gets a space: traps/libvirt.test.ts. One kind of header
 * does for the names here, for the sake of time.
 */
const readable = (via: Via): ReadonlyArray<NamedCase> =>
  casesFor(via).filter(({ name }) => !name.includes('newline') && !name.endsWith('in the names, absolute'))

/** The sixth of the cases where the definition says only where the active image is: there is not much to mend. */
const some = (all: ReadonlyArray<NamedCase>): ReadonlyArray<NamedCase> => all.filter((_, index) => index % 6 === 1)

let libvirt: Libvirt
let events: Events

beforeAll(async () => {
  libvirt = await startLibvirt()
  events = await listen(libvirt)
})

afterAll(async () => {
  events.stop()
  await libvirt.stop()
})

describe('through virsh, libvirt 11.3', () => {
  for (const one of readable('libvirt'))
    it(one.name, async () => {
      await runCase(one, libvirtStage({ libvirt, events }, one.tree, { ...one.options, ...one.libvirt }))
    })
})

describe('with qemu-img, and a definition that stores the whole chain', () => {
  for (const one of readable('qemu-img'))
    it(one.name, async () => {
      await runCase(one, definedStage(libvirt, one.tree, { ...one.options, stored: 'chain' }))
    })
})

/** A sixth of them: what is mended, and when, is the same. */
describe('in a storage daemon, and a definition that stores the whole chain', () => {
  for (const one of some(readable('storage-daemon')))
    it(one.name, async () => {
      const stage = await definedStage(libvirt, one.tree, { ...one.options, stored: 'chain' })
      await runCase(one, Promise.resolve(inDaemon(stage, libvirt)))
    })
})

describe('with qemu-img, and a definition that stores only the active image', () => {
  for (const one of some(readable('qemu-img')))
    it(one.name, async () => {
      await runCase(one, definedStage(libvirt, one.tree, one.options))
    })
})
