// May qemu-img make or delete a snapshot inside an image that somebody has open? QEMU and the library say no, and what the library
// says to do instead is done.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { deleteSnapshots, explainMachineRefusal, judgeCall, machine, take } from 'backing-chain'
import type { Call, CallConflict, Chain, GuestState, Machine, Opening } from 'backing-chain'
import { decodeImageInfo } from 'backing-chain/codec'
import { fileOf, nodeOf, on } from './harness/forced.js'
import { qemuImgStage } from './harness/stage-qemu-img.js'
import { qmpStage } from './harness/stage-qmp.js'
import { right, type Tree } from './harness/tree.js'
import { binary, qemuVersions, type QemuVersion } from './lab/binaries.js'
import { run, runOk } from './lab/exec.js'
import { hold, release } from './lab/holder.js'
import { readCells, readInfo } from './lab/images.js'
import { afterWrites, startWriter } from './lab/writer.js'
import { executeMachine } from './machine/execute.js'
import { labForAll } from './machine/lab.js'
import { inSession } from './machine/session.js'

const picture = 'base[aaaa] <- top[b---]^'

const verbs = [
  { verb: '-c', name: 'made' },
  { verb: '-d', name: 'held' },
] as const

interface Asked {
  readonly verb: '-c' | '-d'
  readonly name: string
}

const argvOf = ({ verb, name }: Asked, path: string): ReadonlyArray<string> => ['snapshot', verb, name, path]

const locked = async (version: QemuVersion, asked: Asked, path: string): Promise<void> => {
  const { code, stderr } = await run([binary(version, 'qemu-img'), ...argvOf(asked, path)])
  expect([code, stderr]).toEqual([1, expect.stringContaining('Failed to get "write" lock') as unknown])
}

interface Beside {
  readonly chain: Chain
  readonly guest: GuestState
  readonly opened?: ReadonlyArray<Opening>
}

/** The one who is in the way, by the library. */
const judged = (asked: Asked, path: string, beside: Beside): CallConflict | undefined => {
  const call: Call = { _tag: 'QemuImg', argv: ['qemu-img', ...argvOf(asked, path)] }
  const found = judgeCall(call, beside)
  expect(found.map(({ wants, image }) => [wants, image])).toEqual([['write', 'top']])
  return found[0]
}

const inside = async (path: string, version: QemuVersion): Promise<ReadonlyArray<string>> =>
  right(decodeImageInfo(await readInfo(path, { version, share: 'force' }))).internalSnapshots.map(({ name }) => name)

const held = async (version: QemuVersion, tree: Tree): Promise<void> => {
  await runOk([binary(version, 'qemu-img'), 'snapshot', '-c', 'held', fileOf(tree, 'top')])
}

describe.each(qemuVersions)('qemu-img on an image that is open, QEMU %s', (version) => {
  it.each(['running', 'stopped'] as const)('of a guest that writes, or stands still: %s', (guest) =>
    on(qmpStage(picture, { version, guest, prepare: (tree) => held(version, tree) }), async (stage) => {
      const { chain, tree, qemu } = stage
      const path = fileOf(tree, 'top')
      const writer = stage.guest && startWriter({ ...stage.guest, cells: 4, seed: 1 })
      for (const asked of verbs) {
        await locked(version, asked, path)
        const conflict = judged(asked, path, { chain, guest: stage.guest === undefined ? 'paused' : 'running' })
        expect(conflict?.held.by._tag).toBe('ThisGuest')
        await qemu.qmp.ask(conflict?.instead?.qmp ?? '', { device: nodeOf(stage, 'top'), name: asked.name })
      }
      const written = (await writer?.stop()) ?? []
      expect(written.length > 0).toBe(guest === 'running')
      await qemu.quit()
      expect(await inside(path, version)).toEqual(['made'])
      expect(await readCells(path, 'qcow2', { version })).toBe(afterWrites('baaa', written))
      await runOk([binary(version, 'qemu-img'), 'check', '-q', path])
    }),
  )

  it('that another program merely has open: it is closed, and then done', () =>
    on(qemuImgStage(picture, { version }), async ({ tree, chain, hypervisor, host }) => {
      const path = fileOf(tree, 'top')
      const opened = [{ image: 'top', by: { _tag: 'Tool', name: 'qemu-io' }, access: 'read' }] as const
      const off = right(machine({ name: 'vm', state: 'shut-off', disks: [chain] }))
      const { capabilities } = hypervisor
      const disks = new Map([['vda', { mode: 'internal' }]] as const)
      const plans = {
        '-c': (of: Machine, others: ReadonlyArray<Opening>) =>
          take(of, { name: 'made', disks }, { via: 'qemu-img', capabilities, opened: new Map([['vda', others]]) }),
        '-d': (of: Machine, others: ReadonlyArray<Opening>) =>
          deleteSnapshots(
            of,
            { snapshots: ['made'] },
            { via: 'qemu-img', capabilities, opened: new Map([['vda', others]]) },
          ),
      }
      let at = off
      for (const verb of ['-c', '-d'] as const) {
        const asked = { verb, name: 'made' } as const
        const holder = await hold(version, path, 'read')
        try {
          await locked(version, asked, path)
          expect(judged(asked, path, { chain, guest: 'shut-off', opened })?.held.by._tag).toBe('Tool')
          const refused = plans[verb](at, opened)
          expect(E.isLeft(refused) ? explainMachineRefusal(refused.left).split('\n') : []).toEqual([
            'On disk vda: Step 0, counted from 0, would have qemu-img open top to write it, while qemu-io has it open to read it.',
            'Instead:',
            '- have top closed by qemu-io first',
          ])
        } finally {
          await release(holder)
        }
        const plan = right(plans[verb](at, []))
        await executeMachine(plan, host)
        at = plan.after
        expect(await inside(path, version)).toEqual(verb === '-c' ? ['made'] : [])
      }
      expect(await readCells(path, 'qcow2', { version })).toBe('baaa')
    }))
})

describe('qemu-img on an image that a domain of libvirt has open', () => {
  const lab = labForAll()

  it.each(['running', 'paused'] as const)('is locked out, and libvirt does it: %s', (guest) =>
    inSession(lab, 'running', async (session) => {
      await session.write(1, 'x')
      if (guest === 'paused') await session.virsh('suspend')
      const path = session.path('vda.qcow2')
      const { machine: vm } = await session.look()
      const chain = vm.disks.get('vda')
      for (const { verb, libvirt, command } of [
        { verb: '-c', libvirt: 'virDomainSnapshotCreateXML', command: 'snapshot-create-as' },
        { verb: '-d', libvirt: 'virDomainSnapshotDelete', command: 'snapshot-delete' },
      ] as const) {
        const argv = ['snapshot', verb, 'made', path]
        const { code, stderr } = await run(['qemu-img', ...argv])
        expect([code, stderr]).toEqual([1, expect.stringContaining('Failed to get "write" lock') as unknown])
        const call: Call = { _tag: 'QemuImg', argv: ['qemu-img', ...argv] }
        const found = chain === undefined ? [] : judgeCall(call, { chain, guest })
        expect(found.map(({ held: { by }, instead }) => [by._tag, instead?.libvirt])).toEqual([['ThisGuest', libvirt]])
        await session.virsh(command, 'made')
        expect(await inside(path, '10.0')).toEqual(verb === '-c' ? ['made'] : [])
      }
      if (guest === 'paused') await session.virsh('resume')
      await session.check()
    }),
  )
})
