// Which call goes to which disk, what is for all of them, and runs.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import type { Call, QmpCommand, TransactionAction, XmlElement } from 'backing-chain'
import { activePath, layerOfPattern, parseChain } from 'backing-chain'
import { machine } from '../../src/model/machine-make.js'
import { endOfMachine, killMachine, liveChain, machineWorldOf, machineWrite, runMachine } from 'backing-chain/simulate'
import type { MachineWorld } from 'backing-chain/simulate'
import {
  after,
  config,
  define,
  destroy,
  diskXml,
  does,
  domainXml,
  faultOf,
  files,
  guest,
  header,
  images,
  img,
  live,
  plain,
  record,
  records,
  refusalOf,
  remove,
  seen,
  start,
  startPaused,
  state,
  take,
  three,
  updateDevice,
  vm,
} from './machine-pretend.js'
import { clusterAt, element, right } from './pretend.js'

const qmp = (command: QmpCommand): Call => ({ _tag: 'Qmp', command })
const both = (text: string): string => `${text} ${text}`

describe('without libvirt', () => {
  const pictures = { vda: 'a1[1---] <- a2[-2--]^', vdb: 'b1[1---] <- b2[-2--]^' }
  const start2 = (): MachineWorld => vm({ libvirt: 'none', pictures })

  const overlay = (disk: string, base: string, name: string) => {
    const at = { disk, until: { _tag: 'QmpJob', job: `j-${name}`, status: 'concluded' } } as const
    const dismiss = { call: qmp({ execute: 'job-dismiss', arguments: { id: `j-${name}` } }), disk }
    const file = { driver: 'file', filename: images(name), size: 0 } as const
    const qcow2 = {
      driver: 'qcow2',
      file: `${name}-storage`,
      size: 4 * 65536,
      'backing-file': images(base),
      'backing-fmt': 'qcow2',
    } as const
    const storage = { driver: 'file', 'node-name': `${name}-storage`, filename: images(name) } as const
    const format = { driver: 'qcow2', 'node-name': `${name}-format`, file: `${name}-storage`, backing: null } as const
    return [
      { call: qmp({ execute: 'blockdev-create', arguments: { 'job-id': `j-${name}`, options: file } }), ...at },
      dismiss,
      { call: qmp({ execute: 'blockdev-add', arguments: storage }), disk },
      { call: qmp({ execute: 'blockdev-create', arguments: { 'job-id': `j-${name}`, options: qcow2 } }), ...at },
      dismiss,
      { call: qmp({ execute: 'blockdev-add', arguments: format }), disk },
    ]
  }

  const lay = (base: string, name: string): TransactionAction => ({
    type: 'blockdev-snapshot',
    data: { node: `${base}-format`, overlay: `${name}-format` },
  })

  const transaction = (...actions: ReadonlyArray<TransactionAction>): Call =>
    qmp({ execute: 'transaction', arguments: { actions } })

  const prepared = (): MachineWorld => {
    const trace = runMachine(start2(), [...overlay('vda', 'a2', 'a3'), ...overlay('vdb', 'b2', 'b3')])
    expect(trace.fault).toBeUndefined()
    return endOfMachine(trace)
  }

  it('overlays of both disks are laid in one transaction', () => {
    const done = after(prepared(), transaction(lay('a2', 'a3'), lay('b2', 'b3')), '3')
    expect(live(done)).toBe('a3 a2 a1 | b3 b2 b1')
    expect(seen(done, 'b2')).toBe('1200')
    expect(guest(done)).toBe('1230 1230')
  })

  it('or in none, where one of them cannot be', () => {
    const before = prepared()
    expect(refusalOf(before, transaction(lay('a2', 'a3'), lay('b2', 'b4')))).toBe(
      "Cannot find device='b4-format' nor node-name='b4-format'",
    )
    expect(refusalOf(before, transaction(lay('a2', 'a3'), lay('b2', 'a3')))).toMatch(/^Unmodelled/)
    expect(live(before)).toBe('a2 a1 | b2 b1')
  })

  it('a job is in the world of its disk, and its wait too', () => {
    const commit = {
      execute: 'block-commit',
      arguments: { 'job-id': 'j', device: 'b2-format', 'base-node': 'b1-format', 'auto-dismiss': false },
    } as const
    const trace = runMachine(start2(), [
      { call: qmp(commit), until: { _tag: 'QmpJob', job: 'j', status: 'ready' } },
      {
        call: qmp({ execute: 'job-complete', arguments: { id: 'j' } }),
        until: { _tag: 'QmpJob', job: 'j', status: 'concluded' },
      },
      { call: qmp({ execute: 'job-dismiss', arguments: { id: 'j' } }) },
    ])
    expect(trace.fault).toBeUndefined()
    expect(live(endOfMachine(trace))).toBe('a2 a1 | b1')
    expect(seen(endOfMachine(trace), 'b1')).toBe('1200')
  })

  it("names of nodes and jobs are the whole QEMU's", () => {
    const add = { driver: 'file', 'node-name': 'a1-storage', filename: images('b1') } as const
    expect(refusalOf(start2(), qmp({ execute: 'blockdev-add', arguments: add }))).toBe(
      "Duplicate nodes with node-name='a1-storage'",
    )
    const stream = (device: string): Call =>
      qmp({ execute: 'block-stream', arguments: { 'job-id': 'j', device, 'auto-dismiss': false } })
    expect(refusalOf(does(start2(), stream('a2-format')), stream('b2-format'))).toBe("Job ID 'j' already in use")
  })

  it('stop, cont and a death are for all disks', () => {
    const stopped = does(start2(), qmp({ execute: 'stop' }))
    expect(state(stopped)).toBe('paused')
    expect(state(does(stopped, qmp({ execute: 'cont' })))).toBe('running')
    const stream = {
      execute: 'block-stream',
      arguments: { 'job-id': 'j', device: 'b2-format', 'auto-dismiss': false },
    } as const
    const trace = runMachine(start2(), [
      { call: qmp(stream), until: { _tag: 'QmpJob', job: 'j', status: 'concluded' } },
      { call: qmp({ execute: 'query-named-block-nodes', arguments: { flat: true } }) },
    ])
    expect(trace.fault?.fault._tag).toBe('Crash')
    expect(state(endOfMachine(trace))).toBe('shut off')
    expect(refusalOf(killMachine(start2()), qmp({ execute: 'cont' }))).toBe('no QEMU is running')
  })

  it('a file of which nobody says to which disk it belongs is not guessed at', () => {
    const file = { driver: 'file', filename: images('new'), size: 0 } as const
    const call = qmp({ execute: 'blockdev-create', arguments: { 'job-id': 'j', options: file } })
    expect(faultOf(start2(), call)._tag).toBe('Unmodelled')
    expect(does(start2(), call, { disk: 'vdb' }).worlds.get('vdb')?.qemu?.jobs.length).toBe(1)
    expect(faultOf(start2(), img('create', '-f', 'qcow2', images('new'), '1M'))._tag).toBe('Unmodelled')
  })
})

describe('qemu-img and files', () => {
  it('a new image belongs to the disk of its backing file', () => {
    const done = does(three(), img('create', '-f', 'qcow2', '-b', 'ab.s1', '-F', 'qcow2', images('side')))
    expect(done.worlds.get('vdb')?.files).not.toBe(three().worlds.get('vdb')?.files)
    expect([header(done, 'side'), seen(done, 'side')]).toStrictEqual(['ab.s1', '12000000'])
  })

  it('what no QEMU has open can be changed while the guest runs, and nothing else', () => {
    const side = does(three(), img('create', '-f', 'qcow2', '-b', 'ab.s1', '-F', 'qcow2', images('side')))
    const rebased = does(side, img('rebase', '-f', 'qcow2', '-F', 'qcow2', '-b', images('ab.qcow2'), images('side')))
    expect([header(rebased, 'side'), seen(rebased, 'side')]).toStrictEqual(['ab.qcow2', '12000000'])
    expect(seen(does(side, img('rebase', '-f', 'qcow2', '-b', '', images('side'))), 'side')).toBe('12000000')
    expect(refusalOf(side, img('commit', '-d', images('side')))).toMatch(/Failed to get "write" lock/)
    expect(refusalOf(side, img('rebase', '-u', '-F', 'qcow2', '-b', images('ab.qcow2'), images('ab.s2')))).toMatch(
      /Failed to get "write" lock/,
    )
    expect(refusalOf(side, img('snapshot', '-c', 'i', images('ab.s3')))).toMatch(/Failed to get "write" lock/)
    expect(refusalOf(side, img('info', images('ab.s3')))).toMatch(/Failed to get shared "write" lock/)
  })

  it('files are found wherever they are, memory too', () => {
    const memory = take('m1', { flags: [], memory: { snapshot: 'external', file: '/images/m' } })
    const before = does(vm(), memory)
    const call = (operation: 'rename' | 'link', path: string, to: string): Call => ({
      _tag: 'Files',
      operation,
      path: images(path),
      to: images(to),
    })
    expect(files(does(before, call('rename', 'm', 'n')))).toMatch(/ n$/)
    expect(files(does(before, call('link', 'm', 'n')))).toMatch(/ m n$/)
    expect(files(does(before, { _tag: 'Files', operation: 'remove', path: images('m') }))).not.toMatch(/ m$/)
    expect(refusalOf(before, { _tag: 'Files', operation: 'remove', path: images('q') })).toBe(
      '/images/q: No such file or directory',
    )
    expect(faultOf(before, call('rename', 'aa.qcow2', 'ab.qcow2'))._tag).toBe('Unmodelled')
    expect(files(does(before, call('link', 'ab.qcow2', 'x')))).toMatch(/ x$/)
  })
})

describe('qemu-img snapshot', () => {
  const off = vm({ state: 'shut-off' })
  const on = images('aa.qcow2')

  it('saves, brings back and forgets what the image itself stores', () => {
    const done = after(off, img('snapshot', '-c', 'i', on), start, 'vda 2', destroy)
    expect([seen(done, 'aa.qcow2'), seen(done, 'aa.qcow2', 'i')]).toStrictEqual(['12000000', '10000000'])
    expect(guest(does(done, img('snapshot', '-a', 'i', on)))).toBe(both('10000000'))
    expect(guest(does(done, img('snapshot', '-a', '1', on)))).toBe(both('10000000'))
    expect(seen(does(done, img('snapshot', '-d', 'i', on)), 'aa.qcow2', 'i')).toBe('Refused')
  })

  it('brings the size back', () => {
    const done = after(off, img('snapshot', '-c', 'i', on), img('resize', on, '1M'))
    expect(seen(done, 'aa.qcow2')).toBe('1000000000000000')
    expect(seen(does(done, img('snapshot', '-a', 'i', on)), 'aa.qcow2')).toBe('10000000')
  })

  it.each([
    ['-a', "Could not apply snapshot 'q': Failed to load snapshot: No such file or directory"],
    ['-d', "Could not delete snapshot 'q': snapshot not found"],
  ])('%s of nothing', (verb, said) => {
    expect(refusalOf(off, img('snapshot', verb, 'q', on))).toBe(said)
  })

  it('is not for raw', () => {
    const raw = vm({ state: 'shut-off', pictures: { vda: 'a:raw[1]^' } })
    expect(refusalOf(raw, img('snapshot', '-c', 'i', images('a')))).toBe(
      "Could not create snapshot 'i': Operation not supported",
    )
  })

  it('reads through what lies below the image today', () => {
    const done = after(three(), destroy, img('snapshot', '-c', 'i', images('aa.s2')))
    expect(seen(done, 'aa.s2', 'i')).toBe('12300000')
    const rebased = does(done, img('rebase', '-u', '-F', 'qcow2', '-b', images('aa.qcow2'), images('aa.s2')))
    expect(seen(rebased, 'aa.s2', 'i')).toBe('10300000')
  })
})

describe('the domain', () => {
  it('is started, destroyed and started paused', () => {
    const off = after(three(), destroy)
    expect(state(off)).toBe('shut off')
    expect(refusalOf(off, destroy)).toBe('Requested operation is not valid: domain is not running')
    const on = does(off, startPaused)
    expect([state(on), guest(on)]).toStrictEqual(['paused', both('12340000')])
    expect(refusalOf(on, start)).toBe('Requested operation is not valid: domain is already running')
    expect(live(on)).toBe('aa.s3 aa.s2 aa.s1 aa.qcow2 | ab.s3 ab.s2 ab.s1 ab.qcow2')
  })

  it('is defined anew: the next start follows', () => {
    const xml = domainXml({ vda: { path: 'aa.s1' }, vdb: { path: 'ab.s2', below: ['ab.qcow2'] } })
    const defined = does(three(), define(xml))
    expect(config(defined)).toBe('aa.s1 | ab.s2 ab.qcow2')
    expect(guest(defined)).toBe(both('12340000'))
    expect(guest(after(defined, destroy, start))).toBe('12000000 10300000')
    expect(faultOf(three(), define(domainXml({ vda: { path: 'aa.s1' } })))._tag).toBe('Unmodelled')
    expect(refusalOf(three(), define(domainXml({ vda: { path: 'x' }, vdb: { path: 'y' } }, 'vm', 'w')))).toBe(
      "operation failed: domain 'vm' already exists with uuid u",
    )
  })

  it('one disk of it is changed, and what a running guest has stays what its next snapshot writes down [X6]', () => {
    const changed = does(three(), updateDevice(diskXml('vda', { path: 'aa.s3' })))
    expect(config(changed)).toBe('aa.s3 | ab.s3 ab.s2 ab.s1 ab.qcow2')
    const taken = does(changed, take('s4'))
    expect(record(taken, 's4')).toMatch(/dom\[aa.s3 aa.s2 aa.s1 aa.qcow2 \| ab.s3 ab.s2 ab.s1 ab.qcow2\]/)
    expect(taken.snapshots.get('s4')?.inactiveDomain?.get('vda')?.backingStore).toStrictEqual([])
    expect(refusalOf(three(), updateDevice(diskXml('vdz', { path: 'x' })))).toBe(
      "invalid argument: target vdz doesn't exist.",
    )
  })

  it('a transient one is forgotten when it ends, snapshots and all [U04]', () => {
    const machine = three({ libvirt: 'transient' })
    expect(record(machine, 's2')).toBe(
      's2: disk-snapshot parent=s1 disks[aa.s2 ab.s2] dom[aa.s1 aa.qcow2 | ab.s1 ab.qcow2]',
    )
    for (const ended of [does(machine, destroy), killMachine(machine)]) {
      expect(records(ended)).toStrictEqual([])
      expect(refusalOf(ended, start)).toMatch(/^Domain not found/)
      expect(files(ended)).toBe(files(machine))
    }
  })

  it('a kill loses what only QEMU had, of every disk, and nothing that libvirt has written down', () => {
    const killed = killMachine(three())
    expect([records(killed), killed.current]).toStrictEqual([records(three()), 's3'])
    expect(guest(killed)).toBe(both('12340000'))
    expect(killMachine(killed)).toStrictEqual(killed)
  })

  it('suspends and resumes all disks', () => {
    const paused = does(three(), plain('virDomainSuspend'))
    expect(state(paused)).toBe('paused')
    expect(state(does(paused, plain('virDomainResume')))).toBe('running')
    expect(refusalOf(three(), plain('virDomainResume'))).toBe(
      'Requested operation is not valid: domain is already running',
    )
  })
})

describe('frozen file systems', () => {
  const agent = (execute: 'guest-fsfreeze-freeze' | 'guest-fsfreeze-thaw'): Call => ({
    _tag: 'Agent',
    command: { execute },
  })
  const write = { disk: 'vda', run: clusterAt(7, 'x') }

  it.each([
    ['libvirt', plain('virDomainFSFreeze'), plain('virDomainFSThaw')],
    ['the agent', agent('guest-fsfreeze-freeze'), agent('guest-fsfreeze-thaw')],
  ])('by %s take no writes until they thaw', (_, freeze, thaw) => {
    const frozen = does(three(), freeze)
    const written = machineWrite(frozen, write)
    expect(E.isLeft(written) && written.left._tag).toBe('GuestBlocked')
    expect(E.isRight(machineWrite(does(frozen, thaw), write))).toBe(true)
    expect(E.isRight(machineWrite(after(frozen, thaw, thaw), write))).toBe(true)
    expect(killMachine(frozen).frozen).toBe(false)
    expect(faultOf(frozen, freeze)._tag).toBe('Unmodelled')
  })

  it('need an agent, and a guest that runs', () => {
    const absent = vm({ agent: 'absent' })
    expect(refusalOf(absent, plain('virDomainFSFreeze'))).toBe(
      'argument unsupported: QEMU guest agent is not configured',
    )
    expect(refusalOf(absent, agent('guest-fsfreeze-freeze'))).toBe('the guest agent does not answer')
    const paused = does(vm(), plain('virDomainSuspend'))
    expect(refusalOf(paused, plain('virDomainFSFreeze'))).toBe(
      'Requested operation is not valid: domain is not running',
    )
  })
})

describe('a run', () => {
  const freeze = { call: plain('virDomainFSFreeze') }
  const thaw = { call: plain('virDomainFSThaw') }

  it('ends at the first fault, and takes the steps that are due on every way out', () => {
    const bad = { call: remove('q') }
    const options = { finally: [{ from: 0, step: thaw }] }
    const trace = runMachine(three(), [freeze, bad, { call: take('s4') }], options)
    expect(trace.fault?.step).toBe(1)
    expect([endOfMachine(trace).frozen, records(endOfMachine(trace)).length]).toStrictEqual([false, 3])
    expect(endOfMachine(runMachine(three(), [freeze], options)).frozen).toBe(false)
    expect(endOfMachine(runMachine(three(), [freeze, bad])).frozen).toBe(true)
    const later = { finally: [{ from: 2, step: thaw }] }
    expect(endOfMachine(runMachine(three(), [freeze, bad, bad], later)).frozen).toBe(true)
  })

  it('goes on after a step that may fail', () => {
    const trace = runMachine(vm({ agent: 'absent' }), [{ ...freeze, failure: 'not frozen' }, { call: take('s1') }])
    expect(trace.fault).toBeUndefined()
    expect(records(endOfMachine(trace)).length).toBe(1)
    expect(trace.moments.map(({ what }) => what)).toStrictEqual(['before', 'refused', 'call'])
  })

  it('lets the guest write at every moment, but not while it is frozen', () => {
    const run = clusterAt(7, 'x')
    const trace = runMachine(three(), [freeze, { call: take('s4') }, thaw], {
      writes: ({ what }) => (what === 'call' ? [{ disk: 'vdb', run }] : []),
    })
    expect(trace.moments.map(({ what }) => what)).toStrictEqual(['before', 'call', 'call', 'call', 'write'])
    expect(guest(endOfMachine(trace))).toBe('12340000 1234000x')
    expect(seen(endOfMachine(trace), 'ab.s3')).toBe('12340000')
  })

  it('waits for what libvirt shows of a disk', () => {
    const shown = (...names: ReadonlyArray<string>) => ({
      call: {
        _tag: 'Libvirt',
        function: { call: 'virDomainGetXMLDesc', arguments: { domain: 'vm' }, flags: [] },
      } as const,
      until: {
        _tag: 'ChainIs',
        disk: 'vdb',
        images: names.map((name) => ({ image: name, format: 'qcow2', location: images(name) })),
      } as const,
    })
    expect(runMachine(three(), [shown('ab.qcow2', 'ab.s1', 'ab.s2', 'ab.s3')]).fault).toBeUndefined()
    expect(runMachine(three(), [shown('ab.qcow2', 'ab.s1')]).fault?.fault._tag).toBe('WaitFailed')
    const gone = { call: take('s4'), until: { _tag: 'LibvirtJob', disk: 'vdq', status: 'ready' } as const }
    expect(runMachine(three(), [gone]).fault?.fault._tag).toBe('WaitNeverReached')
  })
})

describe('the world of a machine', () => {
  const chain = right(parseChain('a[1]^', { headers: 'absolute', directory: '/images' })).chain

  it('refuses contents of the wrong size, and records that nobody can read', () => {
    const plainVm = right(machine({ name: 'vm', state: 'shut-off', disks: [chain] }))
    const made = machineWorldOf(plainVm, new Map([['vda', new Map([['a', layerOfPattern('11')]])]]))
    expect(E.isLeft(made) && made.left._tag).toBe('ContentsWrongSize')
    const recorded = element('domainsnapshot', {}, [element('name', {}, ['other'])])
    const strange = right(
      machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots: [{ name: 's', disks: [], recorded }] }),
    )
    expect(machineWorldOf(strange, new Map())).toStrictEqual(E.left({ _tag: 'RecordUnreadable', snapshot: 's' }))
  })

  it('writes down the live definition, where the persistent one says something else, and of a transient domain its source', () => {
    const made = right(parseChain('a[1] <- b[-]^', { headers: 'absolute', directory: '/images' }))
    const world = (persistent: XmlElement | undefined): MachineWorld => {
      const definitions = { persistent, live: domainXml({ vda: { path: 'b', below: ['a'] } }) }
      const described = { name: 'vm', state: 'running', disks: [made.chain], definitions } as const
      return right(machineWorldOf(right(machine(described)), new Map([['vda', made.contents]])))
    }
    const dom = (of: MachineWorld): string => record(does(of, take('s')), 's')
    expect(dom(world(domainXml({ vda: { path: 'b' } })))).toMatch(/dom\[b\]$/)
    expect(dom(world(domainXml({ vda: { path: 'x' } })))).toMatch(/dom\[b a\] inact\[x\]$/)
    expect(dom(world(undefined))).toMatch(/dom\[b\]$/)
    expect(Array.from(world(undefined).worlds.values(), ({ boot }) => boot.keeper)).toStrictEqual(['caller'])
  })

  it.each([
    ['what was laid over a frozen image since', 'disk-snapshot', 'a <- a.s1 <- a.n^', ['a'], 'a.n a.s1 a'],
    ['nor what was found below that', 'disk-snapshot', 'p <- a <- a.s1^', ['a'], 'a.s1 a'],
    ['but what was stored there', 'disk-snapshot', 'p <- a <- a.s1^', ['a', 'p'], 'a.s1 a p'],
    ['not what an overlay lies on that was made shut off', 'shutoff', 'a <- a.s1^', ['a'], 'a.s1'],
    ['nor one that was made by a revert', 'disk-snapshot', 'a <- a.1795656132^', ['a'], 'a.1795656132'],
    ['but one by a revert that loaded memory', 'running', 'a <- a.1795656132^', ['a'], 'a.1795656132 a'],
    ['but again what was laid over that', 'shutoff', 'a <- a.s1 <- a.n^', ['a'], 'a.n a.s1'],
    ['and all where something was stored below', 'shutoff', 'p <- a <- a.s1^', ['a', 'p'], 'a.s1 a p'],
    ['nothing where the frozen image is not below', 'disk-snapshot', 'p <- a^; x', ['x'], 'a'],
  ] as const)('stores of a transient domain %s', (_, state, picture, [path, ...below], stored) => {
    const made = right(parseChain(picture, { headers: 'absolute', directory: '/images' }))
    const chainOf = activePath(made.chain).map(({ name }) => String(name))
    const [source = '', ...rest] = [...chainOf].reverse()
    const recorded = element('domainsnapshot', {}, [
      element('name', {}, ['s1']),
      element('state', {}, [state]),
      domainXml({ vda: { path, below } }),
    ])
    const described = right(
      machine({
        name: 'vm',
        state: 'running',
        disks: [made.chain],
        definitions: { persistent: undefined, live: domainXml({ vda: { path: source, below: rest } }) },
        snapshots: [{ name: 's1', disks: [], recorded }],
        current: 's1',
      }),
    )
    const world = right(machineWorldOf(described, new Map()))
    expect(record(does(world, take('s2')), 's2').split(' dom')[1]).toBe(`[${stored}]`)
  })

  it('numbers the nodes of all disks together, from the last disk on, uppermost first', () => {
    const nodes = (of: MachineWorld): ReadonlyArray<string | undefined> =>
      Array.from(of.worlds.values())
        .flatMap((world) => liveChain(world).map(({ node }) => node))
        .reverse()
    const started = after(three(), destroy, start)
    expect(nodes(started)).toStrictEqual([1, 2, 3, 4, 5, 6, 7, 8].map((number) => `libvirt-${number}-format`))
    expect(new Set(nodes(three())).size).toBe(8)
    expect(new Set(nodes(does(started, take('s4')))).size).toBe(10)
  })

  it('without disks is shut off', () => {
    const none = right(machineWorldOf(right(machine({ name: 'vm', state: 'shut-off', disks: [] })), new Map()))
    expect([state(none), guest(none)]).toStrictEqual(['', ''])
    expect(refusalOf(none, qmp({ execute: 'stop' }))).toBe('no QEMU is running')
  })
})
