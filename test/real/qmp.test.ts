// Every named case on a running QEMU, over its monitor, while the guest writes.

import { describe, it } from 'vitest'
import { casesFor } from './cases.js'
import { runCase } from './harness/run-case.js'
import { qmpStage } from './harness/stage-qmp.js'
import { qemuVersions } from './lab/binaries.js'

describe.each(qemuVersions)('through QMP, QEMU %s', (version) => {
  for (const one of casesFor('qmp'))
    it(one.name, async () => {
      await runCase(one, qmpStage(one.tree, { version, ...one.options, ...one.qmp }))
    })
})
