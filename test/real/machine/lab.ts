// The libvirt daemon of a file of tests, started before them and stopped after them.

import { afterAll, beforeAll } from 'vitest'
import { listen } from '../harness/execute-virsh.js'
import { startLibvirt } from '../lab/libvirtd.js'
import type { Lab } from './stage.js'

/** Has a daemon run for all tests of the file; what it gives is there as soon as they run. */
export const labForAll = (): Lab => {
  let lab: Lab | undefined
  const running = (): Lab => lab ?? expectRunning()
  beforeAll(async () => {
    const libvirt = await startLibvirt()
    lab = { libvirt, events: await listen(libvirt) }
  })
  afterAll(async () => {
    lab?.events.stop()
    await lab?.libvirt.stop()
  })
  return {
    get libvirt() {
      return running().libvirt
    },
    get events() {
      return running().events
    },
  }
}

const expectRunning = (): never => {
  throw new Error('libvirt is asked for before the tests run')
}
