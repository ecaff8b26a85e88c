// Snapshots of a shut-off machine with two disks, without libvirt, deleted in storage daemons. After each the guest runs again.

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import type { DeleteRequest } from 'backing-chain'
import { qemuVersions } from './lab/binaries.js'
import { fork, taken, three } from './machine/qmp-scenarios.js'
import { onFreeMachine, type Free } from './machine/qmp-session.js'
import { randomOf } from './machine/random.js'

const directions = ['commit', 'pull', 'auto'] as const

const host = { via: 'storage-daemon', socket: join(tmpdir(), `bc-m-${String(process.pid)}`) } as const

/** With the lanes of the two daemons mixed. */
const deleted = async (free: Free, request: DeleteRequest): Promise<void> => {
  await free.does({ delete: request }, { host, choose: randomOf(20261126).below })
}

/** The guest runs, and what was written down of its disks is still so. */
const runsOn = async (free: Free): Promise<void> => {
  await free.start()
  await taken(free, 's8')
  await free.stop()
  await free.check()
}

describe.each(qemuVersions)('in storage daemons, QEMU %s', (version) => {
  describe.each([
    ['the first', ['s1']],
    ['the middle one', ['s2']],
    ['the last', ['s3']],
    ['all', ['s1', 's2', 's3']],
  ] as const)('delete %s of three', (_, snapshots) => {
    it.each(directions)('%s', (direction) =>
      onFreeMachine(version, async (free) => {
        await three(free)
        await free.stop()
        await deleted(free, { snapshots, direction, leftovers: direction === 'auto' ? 'remove' : 'keep' })
        await runsOn(free)
      }),
    )
  })

  it.each([
    ['the middle of the other branch', ['s2'], 'commit'],
    ['the end of the other branch', ['s3'], 'auto'],
    ['one of each', ['s2', 's4'], 'auto'],
    ['all of it', ['s1', 's2', 's3', 's4'], 'auto'],
  ] as const)('delete %s', (_, snapshots, direction) =>
    onFreeMachine(version, async (free) => {
      await fork(free)
      await free.stop()
      await deleted(free, { snapshots, direction })
      await runsOn(free)
    }),
  )

  it('pull into one disk, with every point in time where it was', () =>
    onFreeMachine(version, async (free) => {
      await three(free)
      await free.stop()
      const active = free.machine().disks.get('vda')?.active ?? ''
      await free.does({ change: { disk: 'vda', pull: { into: active } } }, { host })
      await runsOn(free)
    }))
})
