// The present of a running guest, exported by libvirt's backup while it writes; what that keeps others from, and what is left of it.

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { checkMachinePlan } from 'backing-chain'
import type { MachinePlan, NewImage } from 'backing-chain'
import { backupPlan } from '../operation/backup.js'
import { virshHost } from './harness/execute-virsh.js'
import { executeStep } from './harness/steps.js'
import { right } from './harness/tree.js'
import { runOk } from './lab/exec.js'
import { createImage, readCells, readInfo } from './lab/images.js'
import { fields, list, parseJson } from './lab/json.js'
import { domainXml } from './lab/libvirtd.js'
import { executeMachine } from './machine/execute.js'
import { afterWrite, type Expected } from './machine/expected.js'
import { labForAll } from './machine/lab.js'
import { machineOf } from './machine/machine-of.js'
import { observe } from './machine/observe.js'
import { does } from './machine/plans.js'
import { inSession, machineHost, type Session } from './machine/session.js'
import { guestWrites, targets, type MachineStage, type Target } from './machine/stage.js'
import { settle } from './machine/stage.js'

const lab = labForAll()

const running = (act: (session: Session) => Promise<void>): Promise<void> => inSession(lab, 'running', act)

const imageAt = (session: Session, target: Target, more: Partial<NewImage> = {}): NewImage => ({
  name: session.path(`export.${target}`),
  location: { _tag: 'File', path: session.path(`export.${target}`) },
  format: 'qcow2',
  ...more,
})

/** The plan that copies both disks, unless told otherwise. */
const planned = async (
  session: Session,
  more: Partial<NewImage> = {},
  disks: ReadonlyArray<Target> = targets,
): Promise<{ readonly plan: MachinePlan; readonly before: Awaited<ReturnType<typeof observe>> }> => {
  const { machine, seen } = await session.look()
  const to = new Map(disks.map((target) => [target, imageAt(session, target, more)]))
  const plan = right(backupPlan(machine, { to, reserved: Array.from(seen.files.keys()) }, machineHost))
  expect(checkMachinePlan(plan)).toEqual([])
  return { plan, before: seen }
}

const exported = (session: Session, target: Target, format = 'qcow2'): Promise<string> =>
  readCells(session.path(`export.${target}`), format, { share: 'force' })

const expectExported = async (session: Session, of: Expected, format = 'qcow2'): Promise<void> => {
  for (const target of targets)
    expect([target, await exported(session, target, format)]).toEqual([target, of.guest.get(target)])
}

describe('both disks of a guest with snapshots', () => {
  const kinds: ReadonlyArray<readonly [string, Partial<NewImage>]> = [
    ['to images that libvirt makes', {}],
    ['to raw images', { format: 'raw' }],
    ['to images with other clusters, that are made first', { clusterBytes: 131072 }],
  ]
  it.each(kinds)('%s', async (_, more) => {
    await running(async (session) => {
      await does(session, { take: { name: 's1' } })
      await session.write(3, 'x')
      const { plan, before } = await planned(session, more)
      await session.run({ plan, before, change: (of) => of })
      const then = session.expected()
      await session.write(4, 'y')
      await expectExported(session, then, more.format)
      await session.check()
      if (more.clusterBytes !== undefined)
        expect(fields(await readInfo(session.path('export.vda'), { share: 'force' }))['cluster-size']).toBe(
          more.clusterBytes,
        )
    })
  })

  it('to an image of one disk alone, of a guest that is paused', async () => {
    await running(async (session) => {
      await session.write(3, 'x')
      await session.virsh('suspend')
      const { plan, before } = await planned(session, {}, ['vdb'])
      await session.run({ plan, before, change: (of) => of })
      expect(await exported(session, 'vdb')).toBe(session.expected().guest.get('vdb'))
      expect((await session.virsh('domstate')).trim()).toBe('paused')
    })
  })

  it('to images that were made before', async () => {
    await running(async (session) => {
      const sizeBytes = 16 * 65536
      for (const target of targets)
        await createImage({ path: session.path(`export.${target}`), format: 'qcow2', sizeBytes, cells: '9999' })
      await lab.libvirt.adopt()
      const { machine } = await session.look()
      const made = { made: 'before', sizeBytes } as const
      const to = new Map(targets.map((target) => [target, imageAt(session, target, made)]))
      await executeMachine(right(backupPlan(machine, { to }, machineHost)), session.host)
      await expectExported(session, session.expected())
    })
  })
})

it('has both disks between the same two writes of a guest that never stops', async () => {
  await running(async (session) => {
    const { plan } = await planned(session)
    const written: Array<{ readonly target: Target; readonly cell: number; readonly value: string }> = []
    let stopped = false
    const writing = (async (): Promise<void> => {
      while (!stopped) {
        const count = written.length
        const target = targets[count % 2 === 0 ? 0 : 1]
        const write = { target, cell: (count * 7) % 16, value: 'UVWXYZ'.charAt(count % 6) }
        await guestWrites(session.stage, target, write)
        written.push(write)
      }
    })()
    while (written.length < 4) await delay(5)
    const earliest = written.length
    await executeMachine(plan, session.host)
    const latest = written.length + 1
    stopped = true
    await writing
    const found = await Promise.all(targets.map((target) => exported(session, target)))
    const at = (count: number): Expected =>
      written.slice(0, count).reduce((of, { target, ...one }) => afterWrite(of, target, one), session.expected())
    const fits = Array.from({ length: latest - earliest + 1 }, (_, index) => {
      const { guest } = at(earliest + index)
      return targets.map((target) => guest.get(target))
    })
    expect(fits).toContainEqual(found)
    session.note(() => at(written.length))
    await session.check()
  })
})

it('is on disk as soon as its wait is over: kill -9', async () => {
  for (let turn = 0; turn < 3; turn += 1)
    await running(async (session) => {
      await session.write(3, 'x')
      await settle(session.stage)
      const { plan } = await planned(session)
      await executeMachine(plan, session.host)
      process.kill(lab.libvirt.pidOf(session.stage.domain), 'SIGKILL')
      await expectExported(session, session.expected())
    })
})

interface Large extends Pick<MachineStage, 'domain' | 'folder'> {
  readonly path: string
  readonly target: string
}

const megabytes = 700

/** A domain with one disk that takes a while to copy. */
const onLarge = async (name: string, act: (large: Large) => Promise<void>): Promise<void> => {
  const { libvirt } = lab
  const folder = join(libvirt.images, name)
  await mkdir(folder)
  const path = join(folder, 'vda.qcow2')
  await runOk(['qemu-img', 'create', '-q', '-f', 'qcow2', path, `${String(megabytes)}M`])
  await runOk(['qemu-io', '-c', `write -q -P 97 0 ${String(megabytes)}M`, path])
  await libvirt.adopt()
  await libvirt.define(domainXml(name, [{ target: 'vda', path, format: 'qcow2' }]))
  await libvirt.ask('start', name)
  try {
    await act({ domain: name, folder, path, target: join(folder, 'export') })
  } finally {
    await libvirt.virsh('destroy', name)
    await libvirt.virsh('undefine', name, '--snapshots-metadata', '--managed-save')
    await runOk(['rm', '-rf', folder])
  }
}

type Made = 'by libvirt' | 'before'

/** The first step of the plan, and the id of the job that libvirt begins by it. */
const beginning = async ({ domain, folder, target }: Large, made: Made) => {
  const { libvirt } = lab
  const machine = machineOf(await observe({ ...lab, domain, folder }))
  const sizeBytes = megabytes * 1048576
  const image: NewImage = {
    name: 'export',
    location: { _tag: 'File', path: target },
    format: 'qcow2',
    ...(made === 'before' ? { made: 'before', sizeBytes } : {}),
  }
  if (made === 'before') {
    await createImage({ path: target, format: 'qcow2', sizeBytes, cells: '' })
    await libvirt.adopt()
  }
  const [step] = right(backupPlan(machine, { to: new Map([['vda', image]]) }, machineHost)).steps
  const node = /"node-name":"([^"]*-format)"/.exec(await libvirt.qmp(domain, { execute: 'query-block' }))?.[1]
  if (step === undefined || node === undefined) throw new Error('no step, or no node')
  return { step: { call: step.call, why: step.why }, job: `backup-vda-${node}` }
}

/** True where the job stands still on its way; on a busy machine it can have ended before anybody could make it. */
const standsStill = async (domain: string, job: string): Promise<boolean> => {
  const progress = async (): Promise<ReadonlyArray<unknown>> => {
    const reply = fields(parseJson(await lab.libvirt.qmp(domain, { execute: 'query-jobs' })))
    const one = list(reply['return'])
      .map(fields)
      .find(({ id }) => id === job)
    return [one?.['current-progress'], one?.['total-progress']]
  }
  for (let seen = await progress(); seen[0] !== undefined;) {
    await delay(100)
    const [current, total] = await progress()
    if (current === seen[0]) return current !== total
    seen = [current, total]
  }
  return false
}

/** Makes the plan's call, waits for nothing, and has the job stand still where it is. */
const begun = async (large: Large, made: Made = 'by libvirt'): Promise<void> => {
  const { libvirt, events } = lab
  const { domain, target } = large
  for (let tries = 0; tries < 8; tries += 1) {
    const { step, job } = await beginning(large, made)
    let over = false
    const begin = executeStep(virshHost({ libvirt, events, domain }), step).finally(() => (over = true))
    const slow = { execute: 'block-job-set-speed', arguments: { device: job, speed: 1 } }
    // It waits for the lock that libvirt has until the backup has begun, or comes before that and is said again.
    const slowed = async (): Promise<void> => {
      while (!(await libvirt.qmp(domain, slow)).includes('"return"') && !over);
    }
    await Promise.all([begin, slowed()])
    if (await standsStill(domain, job)) return
    await until(async () => (await libvirt.virsh('domjobabort', domain)).code !== 0)
    await rm(target, { force: true })
  }
  throw new Error('it is always too fast')
}

const filesIn = async ({ folder }: Large): Promise<ReadonlyArray<string>> => (await readdir(folder)).sort()

const until = async (reached: () => Promise<boolean>): Promise<void> => {
  for (const deadline = Date.now() + 60_000; !(await reached()); await delay(50))
    if (Date.now() > deadline) throw new Error('it never comes')
}

describe('while it is under way', () => {
  const lock = 'cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)'

  it('libvirt refuses what the simulator refuses, and allows the rest', async () => {
    await onLarge('busy', async (large) => {
      const { libvirt } = lab
      const { domain, folder } = large
      const other = join(folder, 'other.xml')
      await writeFile(
        other,
        `<domainbackup mode='push'><disks><disk name='vda' type='file'><target file='${folder}/other'/></disk></disks></domainbackup>`,
      )
      await begun(large)
      const said = async (...words: ReadonlyArray<string>): Promise<string> =>
        (await libvirt.virsh(words[0] ?? '', domain, ...words.slice(1))).stderr
      const active = "Operation not supported: disk 'vda' already in active block job"
      expect(await said('blockpull', 'vda')).toContain(active)
      expect(await said('blockcopy', 'vda', join(folder, 'copy'), '--transient-job')).toContain(active)
      expect(await said('blockjob', 'vda', '--pivot')).toContain('not ready for pivot yet')
      expect(await said('suspend')).toBe('')
      expect(await said('resume')).toBe('')
      expect(await said('snapshot-create-as', 's', '--print-xml')).toBe('')
      const waiting = await Promise.all([
        said('snapshot-create-as', 's', '--disk-only'),
        said('managedsave'),
        said('save', join(folder, 'save')),
        said('backup-begin', other),
      ])
      for (const one of waiting) expect(one).toContain(lock)
      expect(await filesIn(large)).toEqual(['export', 'other.xml', 'vda.qcow2'])
      expect(await said('domjobabort')).toBe('')
    })
  })
})

describe('where it comes to nothing', () => {
  const ends: ReadonlyArray<readonly [string, (large: Large) => Promise<unknown>]> = [
    ['virDomainAbortJob', ({ domain }) => lab.libvirt.ask('domjobabort', domain)],
    ['the end of its block job', ({ domain }) => lab.libvirt.ask('blockjob', domain, 'vda', '--abort')],
    ['the end of the domain', ({ domain }) => lab.libvirt.ask('destroy', domain)],
    [
      'kill -9',
      ({ domain }) => {
        process.kill(lab.libvirt.pidOf(domain), 'SIGKILL')
        return Promise.resolve()
      },
    ],
  ]
  it.each(ends)('by %s, libvirt removes what it has made, and the disk is as it was', async (what, end) => {
    await onLarge(`end${String(what.length)}`, async (large) => {
      await begun(large)
      expect(await filesIn(large)).toEqual(['export', 'vda.qcow2'])
      await end(large)
      await until(async () => !(await filesIn(large)).includes('export'))
      await lab.libvirt.virsh('destroy', large.domain)
      await until(async () => (await lab.libvirt.ask('domstate', large.domain)).trim() === 'shut off')
      const said = await runOk(['qemu-io', '-r', '-c', `read -P 97 0 ${String(megabytes)}M`, large.path])
      expect(said).not.toMatch(/failed/i)
    })
  })

  it('virDomainAbortJob returns before: whatever waits for the end can be begun at once, and finds the image gone', async () => {
    await onLarge('window', async (large) => {
      const { libvirt } = lab
      const { domain } = large
      await begun(large)
      await libvirt.ask('domjobabort', domain)
      const again = await libvirt.virsh('domjobabort', domain)
      expect(['', 'error: Requested operation is not valid: no job is active on the domain']).toContain(
        again.stderr.trim(),
      )
      await libvirt.ask('snapshot-create-as', domain, 's', '--disk-only')
      expect(await filesIn(large)).toEqual(['vda.qcow2', 'vda.s'])
    })
  })

  it('leaves what was made before', async () => {
    await onLarge('before', async (large) => {
      await begun(large, 'before')
      await lab.libvirt.ask('domjobabort', large.domain)
      const over = 'Requested operation is not valid: no job is active on the domain'
      await until(async () => (await lab.libvirt.virsh('domjobabort', large.domain)).stderr.includes(over))
      expect(await filesIn(large)).toEqual(['export', 'vda.qcow2'])
    })
  })
})
