import { describe, expect, it } from 'vitest'

import { addOverlay, capabilitiesOfVersions, commit, copy, pull, shallowCommit } from '../../src/index.js'
import type { Chain, Hypervisor, Image, Plan, Refusal, StorageDaemonHypervisor } from '../../src/index.js'
import { element } from '../../src/model/xml.js'
import { checkPlan } from '../../src/plan/check.js'
import { atRest, daemon, expectPlan, lines, parsed, planned, qmp, refused } from './expect-plan.js'

const to = { name: 'new', location: { _tag: 'File', path: '/images/new' }, format: 'qcow2' } as const
const three = atRest('base[abcd] <- a[-e--] <- top[--f-]^')

const base = 'bc-4aca7793'
const a = 'bc-0eefc8fd'
const top = 'bc-4d0f20c9'

const file = (node: string, path: string): string =>
  `--blockdev '{"driver":"file","node-name":"${node}-storage","filename":"${path}","auto-read-only":true}'`

const qcow2 = (node: string, backing: string | null, readOnly: boolean): string =>
  `--blockdev '{"driver":"qcow2","node-name":"${node}-format","file":"${node}-storage","backing":${JSON.stringify(backing)},"read-only":${String(readOnly)}}'`

const started = [
  'qemu-storage-daemon',
  ...[file(base, '/images/base'), qcow2(base, null, true)],
  ...[file(a, '/images/a'), qcow2(a, `${base}-format`, true)],
  ...[file(top, '/images/top'), qcow2(top, `${a}-format`, false)],
  '--chardev socket,id=monitor,path=/run/chain.qmp,server=on,wait=on --monitor chardev=monitor &',
].join(' ')

const chainsOf = ({ before, after }: Plan): ReadonlyArray<Image> =>
  [before, after].flatMap((of: Chain) => Array.from(of.images.values()))

describe('the calls of a plan through a storage daemon', () => {
  it('commit: what is copied is flushed before a header changes, the daemon ends before a file goes', () => {
    const plan = planned(commit, three, { top: 'a', leftovers: 'remove', job: 'j' }, daemon)
    expect(lines(plan)).toStrictEqual([
      started,
      `{"execute":"block-commit","arguments":{"job-id":"j","device":"${top}-format","top-node":"${a}-format","base-node":"${base}-format","backing-file":"/images/base","backing-mask-protocol":true,"auto-finalize":false,"auto-dismiss":false}}`,
      `{"execute":"blockdev-reopen","arguments":{"options":[{"driver":"qcow2","node-name":"${base}-format","file":"${base}-storage","backing":null,"read-only":false}]}}`,
      '{"execute":"job-finalize","arguments":{"id":"j"}}',
      '{"execute":"job-dismiss","arguments":{"id":"j"}}',
      '{"execute":"query-named-block-nodes","arguments":{"flat":false}}',
      '{"execute":"quit"}',
      'qemu-img info --backing-chain --output=json /images/top',
      'unlink -- /images/a',
    ])
    expectPlan(plan, three.contents, 'base* <- top+^')
  })

  it('pull: the image that takes things up is flushed', () => {
    const plan = planned(pull, three, { into: 'top', job: 'j' }, daemon)
    expect(lines(plan)).toStrictEqual([
      started,
      `{"execute":"block-stream","arguments":{"job-id":"j","device":"${top}-format","auto-finalize":false,"auto-dismiss":false}}`,
      `{"execute":"blockdev-reopen","arguments":{"options":[{"driver":"qcow2","node-name":"${top}-format","file":"${top}-storage","backing":"${a}-format","read-only":false}]}}`,
      '{"execute":"job-finalize","arguments":{"id":"j"}}',
      '{"execute":"job-dismiss","arguments":{"id":"j"}}',
      '{"execute":"query-named-block-nodes","arguments":{"flat":false}}',
      '{"execute":"quit"}',
      'qemu-img info --backing-chain --output=json /images/top',
    ])
    expectPlan(plan, three.contents, 'top*+^')
  })

  it('every command goes to the socket, and the plan waits for the daemon to answer and to be gone', () => {
    const { steps } = planned(commit, three, { top: 'top', base: 'a', end: 'pivot', job: 'j' }, daemon)
    expect(
      steps.map(({ call, until }) => [
        call._tag === 'Qmp' ? `${call.command.execute} to ${String(call.socket)}` : call._tag,
        until === undefined ? '' : until._tag === 'ChainIs' ? 'seen' : until.status,
      ]),
    ).toStrictEqual([
      ['StorageDaemon', 'answers'],
      ['block-commit to /run/chain.qmp', 'ready'],
      ['job-complete to /run/chain.qmp', 'concluded'],
      ['job-dismiss to /run/chain.qmp', ''],
      ['query-named-block-nodes to /run/chain.qmp', 'seen'],
      ['quit to /run/chain.qmp', 'gone'],
      ['QemuImg', 'seen'],
    ])
  })

  it('a sibling is repointed once the daemon has let go', () => {
    const tree = atRest('base:raw[abcd] <- a[-e--] <- (top[--f-]^, s[g---])')
    const plan = planned(commit, tree, { top: 'a', leftovers: 'remove' }, daemon)
    const said = lines(plan)
    expect(said.indexOf('{"execute":"quit"}')).toBe(6)
    expect(said[7]).toBe('qemu-img rebase -u -f qcow2 -F raw -b /images/base /images/s')
    expect(said[2]).toContain('"options":[{"driver":"raw"')
    expect(said[2]).not.toContain('backing')
    expectPlan(plan, tree.contents, 'base:raw* <- (top+^, s+)')
  })

  it('commas in the path of the socket are doubled', () => {
    const plan = planned(pull, three, { into: 'top' }, { ...daemon, socket: '/run/a,b' })
    expect(lines(plan)[0]).toContain('socket,id=monitor,path=/run/a,,b,server=on,wait=on')
  })

  it('a block device is a host_device', () => {
    const images = new Map(three.chain.images)
    const image = images.get('base')
    if (image !== undefined) images.set('base', { ...image, location: { _tag: 'BlockDevice', path: '/dev/vg/base' } })
    const onDevice = { ...three, chain: { ...three.chain, images } }
    expect(lines(planned(pull, onDevice, { into: 'top' }, daemon))[0]).toContain(
      '{"driver":"host_device","node-name":"bc-4aca7793-storage","filename":"/dev/vg/base","auto-read-only":true}',
    )
  })
})

describe('a plan through a storage daemon', () => {
  const five = 'base[abcd] <- a[-e--] <- b[g---] <- top[--f-] <- live[----]^'

  it.each([
    ['commit', planned(commit, atRest(five), { top: 'b', base: 'a' }, daemon), 'base <- a* <- top+ <- live^'],
    ['shallow commit', planned(shallowCommit, atRest(five), { top: 'a' }, daemon), 'base* <- b+ <- top <- live^'],
    [
      'commit of the active image',
      planned(commit, atRest(five), { top: 'live', base: 'b', end: 'pivot' }, daemon),
      'base <- a <- b*^',
    ],
    [
      'pull into the middle',
      planned(pull, atRest(five), { into: 'b', base: 'base' }, daemon),
      'base <- b*+ <- top <- live^',
    ],
    ['copy', planned(copy, atRest(five), { to, depth: 'full', end: 'pivot' }, daemon), 'new*^'],
    [
      'copy that is kept',
      planned(copy, atRest(five), { to, depth: 'shallow', end: 'keep' }, daemon),
      'base <- a <- b <- top <- (live^, new*)',
    ],
  ] as const)('%s', (_, plan, picture) => {
    expectPlan(plan, atRest(five).contents, picture)
    expect(chainsOf(plan).filter(({ node }) => node !== undefined)).toStrictEqual([])
    expect(checkPlan(plan)).toStrictEqual([])
  })

  it('is as many steps as its chain has, whatever nodes somebody has written down', () => {
    const open = parsed('base[abcd] <- a[-e--] <- top[--f-]^')
    expect(lines(planned(pull, open, { into: 'top' }, daemon))).toStrictEqual(
      lines(planned(pull, three, { into: 'top' }, daemon)),
    )
  })

  it('takes a sibling for closed, whatever node somebody has written down for it', () => {
    const tree = atRest('base[abcd] <- a[-e--] <- (top[--f-]^, s[g---])')
    const images = new Map(tree.chain.images)
    const sibling = images.get('s')
    const node = { format: 's-format', storage: 's-storage', owner: 'monitor', filters: [] } as const
    if (sibling !== undefined) images.set('s', { ...sibling, node })
    const noted = { ...tree, chain: { ...tree.chain, images } }
    const request = { top: 'a', leftovers: 'remove' } as const
    expect(lines(planned(commit, noted, request, daemon))).toStrictEqual(lines(planned(commit, tree, request, daemon)))
  })

  it('has the daemon told to quit on every way out', () => {
    expect(planned(pull, three, { into: 'top' }, daemon).finally).toStrictEqual([
      {
        from: 0,
        step: {
          call: { _tag: 'Qmp', command: { execute: 'quit' }, socket: '/run/chain.qmp' },
          until: { _tag: 'Daemon', socket: '/run/chain.qmp', status: 'gone' },
          why: 'what was written is on disk, and the locks are free, once the daemon has ended',
          failure: 'the daemon has ended already',
        },
      },
    ])
    expect(planned(pull, parsed('base[abcd] <- top[--f-]^'), { into: 'top' }, qmp).finally).toBeUndefined()
  })

  it('assumes that nobody has open what it writes, and no more', () => {
    expect(planned(commit, three, { top: 'a' }, daemon).assumes).toStrictEqual([
      { _tag: 'Writable', images: ['base', 'top'] },
      { _tag: 'Closed', images: ['base', 'a', 'top'] },
      { _tag: 'StartsWith', image: 'top', path: '/images/top', from: 8 },
    ])
  })

  it('needs no blockdev-reopen where no header changes', () => {
    const old = { ...daemon, capabilities: capabilitiesOfVersions({ qemu: '6.0.0' }) }
    expect(planned(commit, three, { top: 'top', end: 'pivot' }, old).requires).not.toContain('qemu-blockdev-reopen')
    expect(planned(copy, three, { to, depth: 'full', end: 'pivot' }, old).steps).toHaveLength(13)
    expect(refused(commit, three, { top: 'a' }, old)).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ feature: 'qemu-blockdev-reopen', since: '6.1' }],
    })
    expect(refused(pull, three, { into: 'top' }, old)).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ feature: 'qemu-blockdev-reopen' }],
    })
  })
})

describe('through a storage daemon is refused', () => {
  const pulling = (by: Hypervisor, of = three): Refusal => refused(pull, of, { into: 'top' }, by)
  const long = (bytes: number): StorageDaemonHypervisor => ({ ...daemon, socket: `/${'s'.repeat(bytes - 1)}` })

  it('a guest that runs', () => {
    expect(pulling({ ...daemon, guest: 'running' })).toStrictEqual({
      _tag: 'GuestStateWrong',
      via: 'storage-daemon',
      guest: 'running',
      needs: ['shut-off'],
      alternatives: [{ _tag: 'Via', via: 'qmp', guest: ['running', 'paused'] }],
    })
  })

  it('a QEMU that has none', () => {
    expect(pulling({ ...daemon, capabilities: capabilitiesOfVersions({ qemu: '5.0.1' }) })).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ feature: 'qemu-storage-daemon', program: 'QEMU', since: '5.1', found: '5.0.1' }],
    })
  })

  it.each([
    ['relative', { ...daemon, socket: 'qmp' }],
    ['too long', long(108)],
    ['none', { ...daemon, socket: '' }],
  ])('a socket that nobody can make: %s', (_, by) => {
    expect(pulling(by)).toStrictEqual({
      _tag: 'NotThisWay',
      via: 'storage-daemon',
      why: 'its socket has to be an absolute path of at most 107 bytes',
      alternatives: [],
    })
    expect(planned(pull, three, { into: 'top' }, long(107)).via).toBe('storage-daemon')
  })

  it('an image that a plan does not open', () => {
    const at = (location: Image['location'], more: Partial<Image> = {}) => {
      const images = new Map(three.chain.images)
      const image = images.get('a')
      if (image !== undefined) images.set('a', { ...image, location, ...more })
      return { ...three, chain: { ...three.chain, images } }
    }
    expect(pulling(daemon, at({ _tag: 'File', path: 'images/a' }))).toMatchObject({ _tag: 'PathNotAbsolute' })
    expect(pulling(daemon, at({ _tag: 'Network', uri: 'nbd://h/a' }))).toMatchObject({
      _tag: 'LocationNotAddressable',
      via: 'storage-daemon',
    })
    expect(pulling(daemon, at({ _tag: 'File', path: '/images/a' }, { encryption: 'luks' }))).toMatchObject({
      _tag: 'NotThisWay',
      via: 'storage-daemon',
      alternatives: [{ _tag: 'Via', via: 'qmp' }],
    })
  })

  it('an image beside the path, which qemu-img works on', () => {
    const tree = atRest('base[abcd] <- (top[--f-]^, b[g---] <- c[----])')
    expect(refused(pull, tree, { into: 'c' }, daemon)).toMatchObject({
      _tag: 'NotOnActivePath',
      alternatives: [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }],
    })
  })

  it('an overlay, which takes no block job', () => {
    expect(refused(addOverlay, three, { overlay: to }, daemon)).toMatchObject({
      _tag: 'NotThisWay',
      via: 'storage-daemon',
      alternatives: [{ _tag: 'Via', via: 'qemu-img', guest: ['shut-off'] }],
    })
  })

  it('a short image that would let old data through, as live', () => {
    const short = atRest('base[abcd] <- a[-e] <- top[----]^')
    expect(refused(commit, short, { top: 'a' }, daemon)).toMatchObject({ _tag: 'ShortImageExposesBase', short: 'a' })
  })

  it('a name for a node that QEMU would not take', () => {
    const nodes = { format: 'x'.repeat(32), storage: 's' }
    expect(refused(copy, three, { to: { ...to, nodes }, depth: 'full', end: 'keep' }, daemon)).toMatchObject({
      _tag: 'NodeNameInvalid',
    })
  })
})

describe('a definition that libvirt holds', () => {
  const disk = element('disk', { type: 'file', device: 'disk' }, [
    element('driver', { name: 'qemu', type: 'qcow2' }),
    element('source', { file: '/images/top' }),
    element('backingStore', { type: 'file' }, [element('source', { file: '/images/a' })]),
    element('target', { dev: 'vda', bus: 'virtio' }),
  ])
  const managed: StorageDaemonHypervisor = { ...daemon, definition: { domain: 'vm', disk } }
  const what = (plan: Plan): ReadonlyArray<string> =>
    plan.steps.map(({ call }) => (call._tag === 'Qmp' ? call.command.execute : call._tag)).slice(-4)

  it('is mended once the daemon has ended, before files go', () => {
    const plan = planned(commit, three, { top: 'a', leftovers: 'remove' }, managed)
    expect(what(plan)).toStrictEqual(['quit', 'QemuImg', 'Libvirt', 'Files'])
    expect(plan.assumes.map(({ _tag }) => _tag)).toStrictEqual(['Writable', 'Closed', 'NoManagedSave'])
    const copied = planned(copy, three, { to, depth: 'full', end: 'pivot' }, managed)
    expect(what(copied).slice(1)).toStrictEqual(['quit', 'QemuImg', 'Libvirt'])
    expect(lines(copied).at(-1)).toContain('/images/new')
    expect(what(planned(pull, three, { into: 'top' }, managed)).slice(1)).toStrictEqual(['quit', 'QemuImg', 'Libvirt'])
  })

  it('is refused where it cannot be mended, or where libvirt would resume a saved state', () => {
    const saved = { ...managed, definition: { domain: 'vm', disk, managedSave: 'present' } } as const
    const other = { ...managed, definition: { domain: 'vm', disk: element('disk') } }
    for (const by of [saved, other])
      expect(refused(commit, three, { top: 'a' }, by)).toMatchObject({ _tag: 'NotThisWay', via: 'storage-daemon' })
  })

  it('is refused for a path that libvirt would not give back', () => {
    const tab = atRest('base[abcd] <- top[--f-]^', { directory: '/images\t' })
    const by = { ...managed, definition: { domain: 'vm', disk, managedSave: 'none' } } as const
    expect(refused(pull, tab, { into: 'top' }, by)).toMatchObject({
      _tag: 'LocationNotAddressable',
      via: 'storage-daemon',
    })
  })
})

describe('who else has images open', () => {
  const by = { _tag: 'Tool', name: 'qemu-nbd' } as const
  const reading = (image: string): StorageDaemonHypervisor => ({
    ...daemon,
    opened: [{ image, by, access: 'read' }],
  })

  it('may read what the daemon only reads', () => {
    expect(planned(pull, three, { into: 'top' }, reading('base')).via).toBe('storage-daemon')
  })

  it('is in the way of what the daemon writes, the active image always', () => {
    const first = { _tag: 'ImageOpen', image: 'top', step: 0, wants: 'write', by: { name: 'qemu-storage-daemon' } }
    expect(refused(pull, three, { into: 'a' }, reading('top'))).toMatchObject(first)
    expect(refused(commit, three, { top: 'a' }, reading('base'))).toMatchObject({
      ...first,
      image: 'base',
      step: 1,
      alternatives: [{ _tag: 'CloseFirst', image: 'base', by }],
    })
  })
})
