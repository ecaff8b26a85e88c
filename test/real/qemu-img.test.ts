// Every named case with qemu-img, for a guest that is shut off.

import { describe, it } from 'vitest'
import { casesFor } from './cases.js'
import { runCase } from './harness/run-case.js'
import { qemuImgStage } from './harness/stage-qemu-img.js'
import { qemuVersions } from './lab/binaries.js'

describe.each(qemuVersions)('with qemu-img, QEMU %s', (version) => {
  for (const one of casesFor('qemu-img'))
    it(one.name, async () => {
      await runCase(one, qemuImgStage(one.tree, { version, ...one.options }))
    })
})
