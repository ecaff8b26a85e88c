// libvirt's traps, sprung on purpose.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commit, patternOfLayer, pull, virshCommand, viewOf } from 'backing-chain'
import type { Plan } from 'backing-chain'
import { listen, type Events } from '../harness/execute-virsh.js'
import { fileOf, headerOf, on, shown } from '../harness/forced.js'
import { executeLive } from '../harness/stage.js'
import { definedStage, libvirtStage } from '../harness/stage-libvirt.js'
import { execute } from '../harness/steps.js'
import { right } from '../harness/tree.js'
import { chainOfDisk, diskOf } from '../harness/xml.js'
import { runOk } from '../lab/exec.js'
import { startLibvirt, type Libvirt } from '../lab/libvirtd.js'
import { flushDisk, writeCell } from '../lab/writer.js'

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

const tree = 'base[aa----------] <- a[bbb-bb-0b--b] <- b[-c-0c--c-0cc] <- top[--d-0-d--0-d]^'

const killed = async (domain: string): Promise<void> => {
  process.kill(libvirt.pidOf(domain), 'SIGKILL')
  while ((await libvirt.ask('list', '--name')).split('\n').includes(domain));
}

const liveChain = async (domain: string): Promise<ReadonlyArray<string>> =>
  chainOfDisk(diskOf(await libvirt.ask('dumpxml', domain), 'vda')).images.map(({ path }) => path)

const withoutMending = (plan: Plan): Pick<Plan, 'steps'> => ({
  steps: plan.steps.filter(({ call }) => call._tag !== 'Libvirt'),
})

describe('traps of libvirt 11.3', () => {
  it('a stored backingStore overrides the header after a rebase behind its back; plans mend the definition', async () => {
    await on(definedStage(libvirt, tree, { stored: 'chain' }), async (stage) => {
      const plan = right(pull(stage.chain, { into: 'top', base: 'base' }, stage.hypervisor))
      const [base, a, b, top] = ['base', 'a', 'b', 'top'].map((name) => fileOf(stage.tree, name))
      await execute(withoutMending(plan), stage.host)
      expect(await headerOf(stage.tree, 'top')).toBe(base)
      await libvirt.adopt()
      await libvirt.ask('start', stage.domain, '--paused')
      expect(await liveChain(stage.domain)).toEqual([base, a, b, top])
      await libvirt.quit(stage.domain)
      await execute({ steps: plan.steps.filter(({ call }) => call._tag === 'Libvirt') }, stage.host)
      await libvirt.ask('start', stage.domain, '--paused')
      expect(await liveChain(stage.domain)).toEqual([base, top])
      await libvirt.quit(stage.domain)
    })
  })

  it('killed between the end of a pull and the flush, what was pulled is lost; the old backing string repairs it', async () => {
    await on(libvirtStage({ libvirt, events }, tree), async (stage) => {
      const plan = right(pull(stage.chain, { into: 'top' }, stage.hypervisor))
      const header = fileOf(stage.tree, 'b')
      expect(plan.assumes).toContainEqual({ _tag: 'NoKillBeforeFlush', image: 'top', oldHeader: header })
      await execute({ steps: plan.steps.slice(0, 1) }, stage.host)
      await killed(stage.domain)
      expect(await shown(stage.tree, 'top')).toBe('00d000d0000d')
      await runOk(['qemu-img', 'rebase', '-u', '-F', 'qcow2', '-b', header, fileOf(stage.tree, 'top')])
      expect(await shown(stage.tree, 'top')).toBe('bcd00bdcb0cd')
    })
  })

  it.each([
    ['a pull', 2],
    ['a commit', 0],
    ['an active commit', 0],
  ] as const)('%s, cut after each of its steps that follow the flush, loses nothing', async (name, first) => {
    const planOf = {
      'a pull': (stage: Live) => pull(stage.chain, { into: 'top', leftovers: 'remove' }, stage.hypervisor),
      'a commit': (stage: Live) =>
        commit(stage.chain, { top: 'b', base: 'base', leftovers: 'remove' }, stage.hypervisor),
      'an active commit': (stage: Live) =>
        commit(stage.chain, { top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }, stage.hypervisor),
    }[name]
    for (let steps = first, all: number = first; steps <= all; steps++)
      await on(libvirtStage({ libvirt, events }, tree), async (stage) => {
        const plan = right(planOf(stage))
        all = plan.steps.length
        if (stage.guest !== undefined) {
          await writeCell(stage.guest.monitor, stage.guest.qdev, { cell: 1, value: 'G' })
          await flushDisk(stage.guest.monitor, stage.guest.qdev)
        }
        await execute({ steps: plan.steps.slice(0, steps) }, stage.host)
        await killed(stage.domain)
        const source = chainOfDisk(diskOf(await libvirt.ask('dumpxml', stage.domain, '--inactive'), 'vda')).images.at(
          -1,
        )
        const active = stage.tree.images.find(({ name: image }) => fileOf(stage.tree, image) === source?.path)
        expect({ steps, cells: await shown(stage.tree, active?.name ?? '') }).toEqual({ steps, cells: 'bGd00bdcb0cd' })
      })
  })

  it('a newline in a path is printed as it is, and an XML reader gets a space', async () => {
    await on(libvirtStage({ libvirt, events }, '"new\\nline"[aaaa]^'), async (stage) => {
      const printed = await libvirt.ask('dumpxml', stage.domain)
      expect(printed).toContain(join(stage.tree.folder, 'new\nline'))
      expect(chainOfDisk(diskOf(printed, 'vda')).images[0]?.path).toBe(join(stage.tree.folder, 'new line'))
    })
  })

  it('virsh cannot open /dev/stdin where it is a socket, as the pipes of Node are', async () => {
    const xml = { name: 'domainsnapshot', attributes: {}, children: [] }
    const { argv, stdin } = virshCommand({
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain: 'none', xml },
      flags: [],
    })
    const child = spawn('virsh', ['-c', libvirt.uri, ...argv.slice(1)], { stdio: 'pipe' })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    await new Promise((resolve) => child.once('close', resolve))
    expect(said).toMatch(/dev\/stdin|failed to get domain/)
  })

  it('a commit without keep-relative makes a relative backing string absolute; plans ask for it', async () => {
    await on(libvirtStage({ libvirt, events }, tree, { headers: 'relative' }), async (stage) => {
      const call = {
        call: 'virDomainBlockCommit',
        arguments: { domain: stage.domain, disk: 'vda', base: fileOf(stage.tree, 'a'), top: fileOf(stage.tree, 'b') },
      } as const
      const wait = { _tag: 'LibvirtJob', disk: 'vda', status: 'completed' } as const
      const forced = { ...call, arguments: { ...call.arguments, bandwidth: 0 }, flags: [] } as const
      const steps = [{ call: { _tag: 'Libvirt', function: forced }, until: wait, why: 'forced' }] as const
      await executeLive(stage, { steps })
      await stage.close()
      expect(await headerOf(stage.tree, 'top')).toBe(fileOf(stage.tree, 'a'))
      const view = viewOf(stage.chain, stage.tree.contents)
      expect(view === undefined ? '' : patternOfLayer(view)).toBe('bcd00bdcb0cd')
    })
  })
})

type Live = Awaited<ReturnType<typeof libvirtStage>>
