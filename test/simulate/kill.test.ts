// What outlives `kill -9` of QEMU: FACTS-libvirt.md section 6, and what the lab found about the flush.

import { describe, expect, it } from 'vitest'

import { guestWrite, kill, killsFinalizing, quit, start } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import {
  after,
  at,
  clusterAt,
  complete,
  commitActive,
  commitJob,
  cont,
  dismiss,
  element,
  finalize,
  guest,
  host,
  img,
  keep,
  node,
  own,
  qmp,
  right,
  seen,
  stop,
  stream,
  streamJob,
} from './pretend.js'

const picture = 'l0[aaaa] <- l1[-bb-] <- l2[---c]^'
const restarted = (world: World, path = '/images/l2'): string => guest(right(start(world, { path, format: 'qcow2' })))
const pull = (base?: string): SimStep => streamJob('l2', base, { 'auto-finalize': false }, at('j', 'pending'))

describe('kill -9 after a pull has completed', () => {
  it('loses what was pulled: the header is rewritten, the tables are not', () => {
    const done = after(host(picture), stream('l2'))
    expect([guest(done), own(kill(done), 'l2'), restarted(kill(done))]).toEqual(['abbc', '---c', '000c'])
  })

  it('loses it after a pull down to a base too', () => {
    expect(restarted(kill(after(host(picture), stream('l2', 'l0'))))).toBe('aaac')
  })

  it.each([
    ['stop while pending', [pull(), stop, cont, finalize, dismiss]],
    ['stop after it', [...stream('l2'), stop]],
    ['stop where the guest is paused already', [stop, ...stream('l2'), stop]],
  ])('loses nothing with %s', (_, steps) => {
    expect(restarted(kill(after(host(picture), steps)))).toBe('abbc')
  })

  it('loses it with cont alone, and with queries', () => {
    const steps = [stop, ...stream('l2'), cont, qmp({ execute: 'query-block' })]
    expect(restarted(kill(after(host(picture), steps)))).toBe('000c')
  })

  it('loses nothing where a snapshot was taken', () => {
    const overlay = [
      img('create', '-u', '-f', 'qcow2', '-b', '/images/l2', '-F', 'qcow2', '/images/n', '262144'),
      qmp({ execute: 'blockdev-add', arguments: { driver: 'file', 'node-name': 'n-s', filename: '/images/n' } }),
      qmp({ execute: 'blockdev-add', arguments: { driver: 'qcow2', 'node-name': 'n', file: 'n-s', backing: null } }),
      qmp({ execute: 'blockdev-snapshot', arguments: { node: node('l2'), overlay: 'n' } }),
    ]
    expect(restarted(kill(after(host(picture), [...stream('l2'), ...overlay])), '/images/n')).toBe('abbc')
  })

  it('loses nothing of a pull into an intermediate image, which is closed for writing', () => {
    expect(restarted(kill(after(host(picture), stream('l1'))))).toBe('abbc')
  })

  it('loses nothing where QEMU ended in order', () => {
    expect(restarted(quit(after(host(picture), stream('l2'))))).toBe('abbc')
  })
})

describe('kill -9 of a commit or a copy', () => {
  it('loses nothing once an intermediate commit has concluded', () => {
    const done = kill(after(host(picture), [commitJob({ device: 'l2', top: 'l1', base: 'l0', header: 'l0' })]))
    expect([own(done, 'l0'), restarted(done)]).toEqual(['abba', 'abbc'])
  })

  it('loses the copied tables while it is pending, which harms nobody', () => {
    const pending = qmp(
      {
        execute: 'block-commit',
        arguments: {
          'job-id': 'j',
          device: node('l2'),
          'top-node': node('l1'),
          'base-node': node('l0'),
          'auto-finalize': false,
        },
      },
      at('j', 'pending'),
    )
    const killed = kill(after(host(picture), [pending]))
    expect([own(killed, 'l0'), restarted(killed)]).toEqual(['aaaa', 'abbc'])
  })

  it('loses nothing from the moment that an active commit is ready', () => {
    const ready = after(host(picture), [commitJob({ device: 'l2', base: 'l0' }, at('j', 'ready'))])
    expect([seen(kill(ready), 'l0'), restarted(kill(ready))]).toEqual(['abbc', 'abbc'])
    const pivoted = kill(after(host(picture), commitActive({ device: 'l2', base: 'l0' })))
    expect(restarted(pivoted, '/images/l0')).toBe('abbc')
  })
})

describe('what the guest wrote after an active commit was ready', () => {
  it('is in base when the job has completed', () => {
    const ready = after(host(picture), [commitJob({ device: 'l2', base: 'l0' }, at('j', 'ready'))])
    const wrote = right(guestWrite(right(guestWrite(ready, clusterAt(0, 'x'))), clusterAt(2, 'y')))
    expect(restarted(kill(after(wrote, [complete])), '/images/l0')).toBe('xbyc')
    expect(seen(kill(after(wrote, [keep])), 'l0')).toBe('xbyc')
  })

  it('is not, where the job was cancelled by force', () => {
    const ready = after(host(picture), [commitJob({ device: 'l2', base: 'l0' }, at('j', 'ready'))])
    const wrote = right(guestWrite(ready, clusterAt(0, 'x')))
    const done = kill(after(wrote, [qmp({ execute: 'job-cancel', arguments: { id: 'j' } })]))
    expect([seen(done, 'l0'), restarted(done)]).toEqual(['abbc', 'xbbc'])
  })
})

describe('kill -9 inside the finalizing of a job', () => {
  const job = (flush: ReadonlyArray<SimStep>) =>
    after(host(picture), [
      qmp(
        {
          execute: 'block-commit',
          arguments: {
            'job-id': 'j',
            device: node('l2'),
            'top-node': node('l1'),
            'base-node': node('l0'),
            'backing-file': '/images/l0',
            'auto-finalize': false,
          },
        },
        at('j', 'pending'),
      ),
      ...flush,
    ])

  it('finds the header of a commit rewritten and base not on disk', () => {
    expect(killsFinalizing(job([])).map((world) => restarted(world))).toEqual(['aaac'])
  })

  it('finds all on disk where the pending job was flushed', () => {
    expect(killsFinalizing(job([stop, cont])).map((world) => restarted(world))).toEqual(['abbc'])
  })

  it('is no question while the job still copies, or there is none', () => {
    expect(killsFinalizing(host(picture))).toEqual([])
  })
})

describe('kill -9 under libvirt', () => {
  const domain = { name: 'vm', definition: 'persistent' } as const
  const call = (name: 'virDomainSuspend' | 'virDomainResume'): SimStep => ({
    call: { _tag: 'Libvirt', function: { call: name, arguments: { domain: 'vm' }, flags: [] } },
  })
  const pulled: SimStep = {
    call: {
      _tag: 'Libvirt',
      function: { call: 'virDomainBlockPull', arguments: { domain: 'vm', disk: 'vda', bandwidth: 0 }, flags: [] },
    },
    until: { _tag: 'LibvirtJob', disk: 'vda', status: 'completed' },
  }
  const survivor = (guestState: 'running' | 'paused', steps: ReadonlyArray<SimStep>): string =>
    guest(right(start(kill(after(host(picture, { domain, guest: guestState }), steps)))))

  it('loses what was pulled', () => expect(survivor('running', [pulled])).toBe('000c'))

  it('keeps it where the running guest was suspended', () => {
    expect(survivor('running', [pulled, call('virDomainSuspend'), call('virDomainResume')])).toBe('abbc')
  })

  it('loses it where the guest was paused already: libvirt sends no stop', () => {
    expect(survivor('paused', [pulled, call('virDomainSuspend')])).toBe('000c')
    expect(survivor('paused', [pulled, call('virDomainResume'), call('virDomainSuspend')])).toBe('abbc')
  })

  it('keeps it where a snapshot was taken', () => {
    const disk = element('disk', { name: 'vda', snapshot: 'external', type: 'file' }, [
      element('source', { file: '/images/n' }),
    ])
    const snapshot: SimStep = {
      call: {
        _tag: 'Libvirt',
        function: {
          call: 'virDomainSnapshotCreateXML',
          arguments: { domain: 'vm', xml: element('domainsnapshot', {}, [element('disks', {}, [disk])]) },
          flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY', 'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA'],
        },
      },
    }
    expect(survivor('running', [pulled, snapshot])).toBe('abbc')
  })
})
