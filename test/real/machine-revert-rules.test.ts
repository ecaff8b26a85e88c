// Reverts that libvirt refuses, or would but for the guest's memory: foreseen, and ours is refused for a reason of its own.

import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { revert, take } from 'backing-chain'
import type { MachineHost, RevertRequest, RunningJob } from 'backing-chain'
import { runOk } from './lab/exec.js'
import {
  obstacles,
  revertAsForeseen,
  revertOverObstacles,
  type AskedRevert,
  type AtRevert,
  type Obstacle,
} from './machine/libvirt-revert.js'
import { labForAll } from './machine/lab.js'
import { machineOf } from './machine/machine-of.js'
import { observe } from './machine/observe.js'
import { reasonOf } from './machine/plans.js'
import { bareFork } from './machine/scenarios.js'
import { inSession, machineHost, nextSecond, type Session } from './machine/session.js'
import { said } from './machine/virsh-error.js'

const lab = labForAll()

const running = (act: (session: Session) => Promise<void>): Promise<void> => inSession(lab, 'running', act)

const looked = async (session: Session, found: AtRevert['found'] = {}): Promise<AtRevert> => {
  const before = await observe(session.stage)
  return { before, machine: machineOf(before), found }
}

/** Asks libvirt for a revert, and compares. */
const asks = async (session: Session, asked: AskedRevert, found?: AtRevert['found']): Promise<string> =>
  revertAsForeseen(session, await looked(session, found), asked)

/** Why we would not do it, each way. */
const ours = async (session: Session, to: string, found: Partial<MachineHost>): Promise<ReadonlyArray<string>> => {
  const { machine, before } = await looked(session)
  return (['libvirt', 'by hand'] as const).map((how) => {
    const request: RevertRequest = { to, how, guest: 'running', seconds: 1, reserved: Array.from(before.files.keys()) }
    const plan = revert(machine, request, { ...machineHost, ...found })
    return E.isLeft(plan) ? reasonOf(plan.left) : 'a plan'
  })
}

const ways: ReadonlyArray<AskedRevert> = [
  { to: 's1', flags: [] },
  { to: 's1', flags: ['--running', '--force'] },
  { to: 'm1', flags: [] },
]

describe('a block job runs (R1)', () => {
  const begins: { readonly [K in 'commit' | 'copy' | 'backup']: (session: Session) => Promise<void> } = {
    commit: async ({ virsh }) => {
      await virsh('blockcommit', 'vdb', '--active', '--shallow')
    },
    copy: async ({ virsh, path }) => {
      await virsh('blockcopy', 'vdb', path('copied'), '--format', 'qcow2', '--transient-job')
    },
    backup: async ({ virsh, path }) => {
      const server = `<server transport='unix' socket='${path('socket')}'/>`
      const disk = `<disk name='vdb' backup='yes' type='file'><scratch file='${path('scratch')}'/></disk>`
      const disks = `<disks><disk name='vda' backup='no'/>${disk}</disks>`
      await writeFile(path('backup.xml'), `<domainbackup mode='pull'>${server}${disks}</domainbackup>`)
      await virsh('backup-begin', path('backup.xml'))
    },
  }

  it('a commit, a copy, a backup: whatever the snapshot and the flags', async () => {
    await running(async (session) => {
      await session.virsh('snapshot-create-as', 'm1', '--memspec', session.path('m1.memory'))
      await session.taken('s1')
      for (const kind of ['commit', 'copy', 'backup'] as const) {
        await begins[kind](session)
        const jobs = new Map<string, ReadonlyArray<RunningJob>>([['vdb', [{ id: 'vdb', kind, images: [] }]]])
        for (const asked of ways) expect(await asks(session, asked, { jobs })).toBe('revert R1')
        expect(await ours(session, 's1', { jobs })).toEqual(['JobActive', 'JobActive'])
        await (kind === 'backup' ? session.virsh('domjobabort') : session.virsh('blockjob', 'vdb', '--abort'))
      }
      expect(await asks(session, { to: 'm1', flags: [] })).toBe('revert external with memory, running to running')
    })
  })
})

describe('libvirt has a saved state of the domain (R3)', () => {
  const saved = { managedSave: 'present' } as const

  const isSaved = async ({ virsh }: Session): Promise<boolean> => /^Managed save: +yes$/m.test(await virsh('dominfo'))

  const begun = async (session: Session): Promise<void> => {
    await session.taken('s1')
    await session.virsh('snapshot-create-as', 'm1', '--memspec', session.path('m1.memory'))
    await session.virsh('managedsave')
  }

  it('to a snapshot without memory: refused unless forced, and then the state stays and does not start', async () => {
    await running(async (session) => {
      await begun(session)
      for (const flags of [[], ['--running'], ['--paused']] as const)
        expect(await asks(session, { to: 's1', flags }, saved)).toBe('revert R3')
      expect(await ours(session, 's1', saved)).toEqual(['ManagedSavePresent', 'ManagedSavePresent'])
      expect(await asks(session, { to: 's1', flags: ['--force'] }, saved)).toBe('revert external, shut-off to shut-off')
      expect(await isSaved(session)).toBe(true)
      expect((await session.tryVirsh('start')).stderr).toMatch(/Cannot access storage file '.*\.m1'/)
    })
  })

  it('to one with memory: not refused, and the guest that runs has a saved state, which ends every way on', async () => {
    await running(async (session) => {
      await begun(session)
      expect(await ours(session, 'm1', saved)).toEqual(['ManagedSavePresent', 'ManagedSavePresent'])
      expect(await asks(session, { to: 'm1', flags: [] }, saved)).toBe(
        'revert external with memory, shut-off to running',
      )
      expect(await isSaved(session)).toBe(true)
      expect(await asks(session, { to: 's1', flags: ['--running'] }, saved)).toBe('revert R3')
      expect(await ours(session, 's1', saved)).toEqual(['ManagedSavePresent', 'ManagedSavePresent'])
      await session.virsh('destroy')
      const { stderr } = await session.tryVirsh('start')
      expect(stderr).toMatch(/Cannot access storage file '.*\.m1'/)
    })
  })
})

describe('something is there that is no regular file (FACTS W04)', () => {
  it('R6, in place of the point in time: the guest is stopped, or was, and stays so', async () => {
    await running(async (session) => {
      await bareFork(session)
      await rename(session.path('vdb.s2'), session.path('vdb.s2.aside'))
      for (const what of ['directory', 'pipe', 'device'] as const) {
        await obstacles[what](session.path('vdb.s2'))
        expect(await ours(session, 's3', {})).toEqual(['PointGone', 'PointGone'])
        expect(await asks(session, { to: 's3', flags: ['--running'] })).toBe('revert R6')
        await rm(session.path('vdb.s2'), { recursive: true })
      }
    })
  })

  it('a link to a regular file is as good as one', async () => {
    await running(async (session) => {
      await bareFork(session)
      await mkdir(session.path('aside'))
      await rename(session.path('vdb.s2'), session.path('aside/vdb.s2'))
      await symlink(session.path('aside/vdb.s2'), session.path('vdb.s2'))
      await nextSecond()
      const done = await asks(session, { to: 's3', flags: ['--running'] })
      expect(done).toBe('revert external, running to running')
    })
  })

  it('R5, where an overlay is to be; over an empty file libvirt writes', async () => {
    await running(async (session) => {
      await session.taken('s1')
      const over = async (what: Obstacle): Promise<string> => {
        const at = await looked(session)
        return revertOverObstacles(session, { at, what }, { to: 's1', flags: ['--running'] })
      }
      for (const what of ['directory', 'pipe', 'device', 'file'] as const) expect(await over(what)).toBe('revert R5')
      await session.virsh('start')
      expect(await over('empty file')).toBe('revert external, running to running')
    })
  })

  const taken = /^error: unsupported configuration: external snapshot file for disk vda already exists/
  const mismatch = /^error: unsupported configuration: mismatch between configured type for snapshot disk 'vda'/
  const takes = { file: taken, directory: mismatch, pipe: mismatch, device: mismatch, 'empty file': /^$/ } as const

  it('where a snapshot is to be: libvirt writes over an empty file, and we over nothing', async () => {
    await running(async (session) => {
      for (const what of ['file', 'directory', 'pipe', 'device', 'empty file'] as const) {
        const path = session.path(what.replace(' ', '-'))
        await obstacles[what](path)
        const { machine, before } = await looked(session)
        const overlay = { name: 'there', format: 'qcow2', location: { _tag: 'File', path } } as const
        const disks = new Map([['vda', { mode: 'external', overlay }]] as const)
        const plan = take(machine, { name: 's1', disks, reserved: Array.from(before.files.keys()) }, machineHost)
        expect(E.isLeft(plan) && reasonOf(plan.left)).toBe('PathTaken')
        const ran = await session.tryVirsh('snapshot-create-as', 's1', '--disk-only', '--diskspec', `vda,file=${path}`)
        expect(said(ran)).toMatch(takes[what])
        expect((await observe(session.stage)).state).toBe('running')
      }
    })
  })
})

describe('an internal snapshot that is not where its record has it (R7)', () => {
  it('its image has gone with the deletion of an external one (FACTS X04)', async () => {
    await inSession(lab, 'shut-off', async (session) => {
      await session.taken('s1')
      await session.virsh('snapshot-create-as', 'i1')
      await session.virsh('snapshot-delete', 's1')
      for (const flags of [[], ['--running']] as const)
        expect(await asks(session, { to: 'i1', flags })).toBe('revert R7')
    })
  })

  it.each(['running', 'shut-off'] as const)(
    'somebody has deleted it from one image; taken of a guest %s',
    async (guest) => {
      await inSession(lab, guest, async (session) => {
        await session.virsh('snapshot-create-as', 'i1')
        if (guest === 'running') await session.virsh('destroy')
        // libvirt looks for the name in all images before QEMU would see the bitmap of the first.
        if (guest === 'running') await runOk(['qemu-img', 'bitmap', '--add', session.path('vda.qcow2'), 'b1'])
        await runOk(['qemu-img', 'snapshot', '-d', 'i1', session.path('vdb.qcow2')])
        expect(await ours(session, 'i1', {})).toEqual(['PointGone', 'PointGone'])
        await session.virsh('start')
        expect(await asks(session, { to: 'i1', flags: [] })).toBe('revert R7')
      })
    },
  )
})
