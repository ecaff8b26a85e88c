import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { addOverlay, capabilitiesOfVersions, chain, commit, copy, pull, shallowCommit } from '../../src/index.js'
import type { Hypervisor, ImageDescription, NewImage, Refusal, RunningJob } from '../../src/index.js'
import { atRest, live, offline, parsed, qmp, refused } from './expect-plan.js'
import type { Parsed } from './expect-plan.js'

const KiB64 = 65536
const four = parsed('base[abcd] <- a[-e--] <- b[--f-] <- top[---g]^')

/** The four images with something changed about some of them. */
const changed = (changes: { readonly [name: string]: Partial<ImageDescription> }, from: Parsed = four): Parsed => {
  const descriptions = Array.from(from.chain.images.values(), (image): ImageDescription => {
    const { backing, clusterBytes, version, dataFile, encryption, allocatedBytes, node, ...rest } = image
    return {
      ...rest,
      ...(backing === undefined ? {} : { backing }),
      ...(clusterBytes === undefined ? {} : { clusterBytes }),
      ...(version === undefined ? {} : { version }),
      ...(dataFile === undefined ? {} : { dataFile }),
      ...(encryption === undefined ? {} : { encryption }),
      ...(allocatedBytes === undefined ? {} : { allocatedBytes }),
      ...(node === undefined ? {} : { node }),
      ...changes[image.name],
    }
  })
  const made = chain(from.chain.disk, descriptions, from.chain.active)
  if (E.isLeft(made)) throw new Error(JSON.stringify(made.left))
  return { chain: made.right, contents: from.contents }
}

const withoutAlternatives = ({ alternatives: _, ...facts }: Refusal): object => facts
const job = (kind: RunningJob['kind'], ...images: ReadonlyArray<string>): Hypervisor => ({
  ...qmp,
  jobs: [{ id: 'j', kind, images }],
})
const bitmap = { name: 'b0', granularityBytes: KiB64, state: 'recording' } as const
const internal = { id: '1', name: 's1', vmStateBytes: 0 } as const
const file = (path: string) => ({ _tag: 'File', path }) as const

describe('commit refuses', () => {
  it.each([
    ['an unknown top', four, { top: 'x' }, qmp, { _tag: 'ImageNotInChain', image: 'x' }],
    ['an unknown base', four, { top: 'a', base: 'x' }, qmp, { _tag: 'ImageNotInChain', image: 'x' }],
    ['the lowest image', four, { top: 'base' }, qmp, { _tag: 'NothingBelow', image: 'base' }],
    ['a base above the top', four, { top: 'a', base: 'b' }, qmp, { _tag: 'TopNotAboveBase', top: 'a', base: 'b' }],
    ['an image into itself', four, { top: 'a', base: 'a' }, qmp, { _tag: 'TopNotAboveBase', top: 'a', base: 'a' }],
    [
      'qemu-img while the guest runs',
      four,
      { top: 'a' },
      { ...offline, guest: 'running' },
      { _tag: 'GuestStateWrong', via: 'qemu-img', guest: 'running', needs: ['shut-off'] },
    ],
    [
      'a monitor where there is no QEMU',
      four,
      { top: 'a' },
      { ...qmp, guest: 'shut-off' },
      { _tag: 'GuestStateWrong', via: 'qmp', guest: 'shut-off', needs: ['running', 'paused'] },
    ],
    [
      'a branch that QEMU does not have open',
      parsed('base[abcd] <- (top[-e--]^, s[f---])'),
      { top: 's' },
      qmp,
      { _tag: 'NotOnActivePath', image: 's', active: 'top' },
    ],
    [
      'another job on the disk',
      four,
      { top: 'a' },
      job('copy', 'top'),
      { _tag: 'JobOverlaps', job: 'j', kind: 'copy', images: ['top'] },
    ],
    [
      'a pull in its range',
      four,
      { top: 'a' },
      job('pull', 'a', 'b'),
      { _tag: 'JobOverlaps', job: 'j', kind: 'pull', images: ['a', 'b'] },
    ],
    [
      'the active image without a decision',
      four,
      { top: 'top' },
      qmp,
      { _tag: 'ActiveNeedsPivotDecision', active: 'top' },
    ],
    [
      'a pivot from an intermediate image',
      four,
      { top: 'a', end: 'pivot' },
      qmp,
      { _tag: 'PivotOnlyForActive', top: 'a', active: 'top' },
    ],
    [
      'an image that another guest reads',
      changed({ base: { otherReaders: ['other guest'] } }),
      { top: 'a' },
      qmp,
      { _tag: 'ImageShared', image: 'base', readers: [{ _tag: 'Other', reader: 'other guest' }] },
    ],
    [
      'an image in between that a sibling reads',
      parsed('base[abcd] <- a[-e--] <- (b[--f-] <- top[---g]^, s[h---])'),
      { top: 'b', base: 'base' },
      qmp,
      { _tag: 'ImageShared', image: 'a', readers: [{ _tag: 'Overlay', image: 's' }] },
    ],
    [
      'to remove a top that another guest reads',
      changed({ a: { otherReaders: ['other guest'] } }),
      { top: 'a', leftovers: 'remove' },
      qmp,
      { _tag: 'ImageShared', image: 'a', readers: [{ _tag: 'Other', reader: 'other guest' }] },
    ],
    [
      'an overlay on the active image, which the guest would write under',
      parsed('base[abcd] <- top[-e--]^ <- s[f---]'),
      { top: 'top', end: 'pivot' },
      qmp,
      { _tag: 'ImageShared', image: 'top', readers: [{ _tag: 'Overlay', image: 's' }] },
    ],
    [
      'an active image that is smaller than the base',
      parsed('base[abcdefgh] <- top[-i--]^'),
      { top: 'top', end: 'pivot' },
      qmp,
      { _tag: 'BaseLargerThanTop', base: 'base', baseBytes: 8 * KiB64, top: 'top', topBytes: 4 * KiB64 },
    ],
    [
      'a top that is shorter than its overlay and the base',
      parsed('base[abcdefgh] <- a[-i--] <- top[--j-----]^'),
      { top: 'a' },
      qmp,
      {
        _tag: 'ShortImageExposesBase',
        base: 'base',
        baseBytes: 8 * KiB64,
        short: 'a',
        shortBytes: 4 * KiB64,
        overlay: 'top',
        overlayBytes: 8 * KiB64,
      },
    ],
    [
      'the same for a guest that is shut off',
      parsed('base[abcdefgh] <- a[-i--] <- top[--j-----]^'),
      { top: 'a' },
      offline,
      {
        _tag: 'ShortImageExposesBase',
        base: 'base',
        baseBytes: 8 * KiB64,
        short: 'a',
        shortBytes: 4 * KiB64,
        overlay: 'top',
        overlayBytes: 8 * KiB64,
      },
    ],
    [
      'to grow a version 2 image with internal snapshots',
      changed({ base: { version: 2, internalSnapshots: [internal] } }, parsed('base[ab] <- a[--cd] <- top[----]^')),
      { top: 'a' },
      qmp,
      {
        _tag: 'BaseNotGrowable',
        base: 'base',
        baseBytes: 2 * KiB64,
        topBytes: 4 * KiB64,
        why: 'a version 2 qcow2 image with internal snapshots cannot be enlarged',
      },
    ],
    [
      'to grow a raw device',
      changed(
        { base: { location: { _tag: 'BlockDevice', path: '/dev/vg/base' } } },
        parsed('base:raw[ab] <- a[--cd] <- top[----]^'),
      ),
      { top: 'a' },
      qmp,
      {
        _tag: 'BaseNotGrowable',
        base: 'base',
        baseBytes: 2 * KiB64,
        topBytes: 4 * KiB64,
        why: 'a raw image is as large as the device that it is on',
      },
    ],
    [
      'to take internal snapshots down with the top',
      changed({ a: { internalSnapshots: [internal] } }),
      { top: 'a' },
      qmp,
      {
        _tag: 'InternalSnapshotsLost',
        lost: [{ image: 'a', snapshots: ['s1'] }],
        why: 'they stay in an image that is written under or goes, and read what lies below them now',
      },
    ],
    [
      'to leave bitmaps behind',
      changed({ a: { bitmaps: [bitmap] } }),
      { top: 'a' },
      qmp,
      { _tag: 'BitmapsLost', lost: [{ image: 'a', bitmaps: ['b0'] }] },
    ],
    [
      'to write plaintext',
      changed({ a: { encryption: 'luks' } }),
      { top: 'a' },
      qmp,
      { _tag: 'PlaintextLeak', from: ['a'], to: 'base' },
    ],
    [
      'an image that QEMU has no node for',
      atRest('base <- a <- top^'),
      { top: 'a' },
      qmp,
      { _tag: 'NodeUnknown', image: 'top' },
    ],
    [
      'a relative path offline',
      changed({ a: { location: file('images/a') } }),
      { top: 'a' },
      offline,
      { _tag: 'PathNotAbsolute', image: 'a', path: 'images/a' },
    ],
    [
      'an image that libvirt names by index only',
      changed({ base: { location: { _tag: 'Network', uri: 'nbd://host/base' } } }),
      { top: 'a' },
      live,
      {
        _tag: 'LocationNotAddressable',
        image: 'base',
        via: 'libvirt',
        why: 'libvirt names such an image only by an index that is valid until the next start',
      },
    ],
    [
      'a filter between images',
      changed({ b: { node: { format: 'b-format', storage: 'b-storage', owner: 'monitor', filters: ['slow'] } } }),
      { top: 'a' },
      qmp,
      {
        _tag: 'FilterAbove',
        image: 'b',
        filters: ['slow'],
        why: 'with a filter between two images QEMU may record the filter as the backing format',
      },
    ],
    [
      'a job id that QEMU does not take',
      four,
      { top: 'a', job: '1st' },
      qmp,
      { _tag: 'NodeNameInvalid', node: '1st', why: 'a letter first, then letters, digits, ".", "_" and "-" only' },
    ],
    [
      'to remove files while libvirt cannot flush',
      four,
      { top: 'a', leftovers: 'remove' },
      { ...live, guest: 'paused' },
      { _tag: 'GuestStateWrong', via: 'libvirt', guest: 'paused', needs: ['running'] },
    ],
    [
      'a point in time in an image that is not there',
      four,
      { top: 'a', points: [{ point: 'p', image: 'x' }] },
      qmp,
      { _tag: 'PointUnknown', point: 'p', image: 'x', why: 'not in the chain' },
    ],
    [
      'a point in time in the image that the guest writes',
      four,
      { top: 'a', points: [{ point: 'p', image: 'top' }] },
      qmp,
      { _tag: 'PointUnknown', point: 'p', image: 'top', why: 'active' },
    ],
    [
      "the wiki's trap: .1 into v corrupts the snapshot that is tied to v",
      parsed('v[abcd] <- v.1[-e--] <- v.2[--f-] <- v.3[---g]^'),
      { top: 'v.1', base: 'v', points: [{ point: 'snapshot 0', image: 'v' }] },
      qmp,
      { _tag: 'PointInTimeLost', points: [{ point: 'snapshot 0', image: 'v' }] },
    ],
  ] as const)('%s', (_, before, request, hypervisor, facts) => {
    expect(withoutAlternatives(refused(commit, before, request, hypervisor))).toStrictEqual(facts)
  })

  it('through libvirt, a path that libvirt does not give back as it was', () => {
    const odd = changed({ base: { location: file('/images/ba\nse') } })
    expect(refused(commit, odd, { top: 'b', base: 'a' }, live)).toMatchObject({
      _tag: 'LocationNotAddressable',
      image: 'base',
    })
    expect(E.isRight(commit(odd.chain, { top: 'b', base: 'a' }, qmp))).toBe(true)
    const overlay = { name: 'new', location: file('/images/n\tew'), format: 'qcow2' } as const
    expect(refused(addOverlay, four, { overlay }, live)).toMatchObject({ _tag: 'LocationNotAddressable', image: 'new' })
  })

  it('a backing string that no header can hold: QEMU would crash', () => {
    const long = `${'x'.repeat(500)}/`
    const deep = changed({
      top: { backing: { image: 'b', header: `${long}b`, format: 'qcow2' } },
      b: { backing: { image: 'a', header: `${long}a`, format: 'qcow2' } },
      a: { backing: { image: 'base', header: `${long}base`, format: 'qcow2' } },
    })
    const refusal = refused(commit, deep, { top: 'b', base: 'base' })
    expect(refusal).toMatchObject({ _tag: 'BackingStringTooLong', image: 'top', headerBytes: 1507, largestBytes: 1023 })
  })

  it('one string for two open overlays that would need two', () => {
    const open = { format: 's-format', storage: 's-storage', owner: 'monitor', filters: [] } as const
    const before = changed(
      {
        top: { location: file('/images/top'), backing: { image: 'a', header: 'a', format: 'qcow2' } },
        s: {
          location: file('/elsewhere/s'),
          backing: { image: 'a', header: '../images/a', format: 'qcow2' },
          node: open,
        },
        a: { backing: { image: 'base', header: 'base', format: 'qcow2' } },
      },
      parsed('base[abcd] <- a[-e--] <- (top[--f-]^, s[g---])'),
    )
    expect(refused(commit, before, { top: 'a' })).toMatchObject({
      _tag: 'BackingStringUnknown',
      image: 'a',
      backing: 'base',
    })
  })

  it('what the host lacks, by the version that has it: the limits of QEMU 1.6 and libvirt 1.1.1', () => {
    const capabilities = capabilitiesOfVersions({ qemu: '1.6.0', libvirt: '1.1.1' })
    expect(refused(commit, four, { top: 'top', end: 'pivot' }, { ...live, capabilities })).toStrictEqual({
      _tag: 'CapabilityMissing',
      missing: [
        { feature: 'qemu-active-commit', program: 'QEMU', since: '2.0', found: '1.6.0' },
        { feature: 'libvirt-active-commit', program: 'libvirt', since: '1.2.6', found: '1.1.1' },
      ],
      alternatives: [],
    })
    expect(refused(commit, four, { top: 'top', end: 'pivot' }, { ...qmp, capabilities })).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ since: '2.0' }, { since: '3.1' }, { since: '3.1' }],
    })
    expect(E.isRight(commit(four.chain, { top: 'b', base: 'a' }, { ...live, capabilities }))).toBe(true)
  })

  it('shallowly, the lowest image', () => {
    expect(refused(shallowCommit, four, { top: 'base' })).toMatchObject({ _tag: 'NothingBelow', image: 'base' })
  })

  it('nothing of what the caller accepts', () => {
    const before = changed({ a: { bitmaps: [bitmap], internalSnapshots: [internal] } })
    const accept = ['BitmapsLost', 'InternalSnapshotsLost'] as const
    expect(E.isRight(commit(before.chain, { top: 'a', accept }, qmp))).toBe(true)
  })
})

describe('pull refuses', () => {
  it.each([
    ['an unknown image', four, { into: 'x' }, qmp, { _tag: 'ImageNotInChain', image: 'x' }],
    ['an unknown base', four, { into: 'top', base: 'x' }, qmp, { _tag: 'ImageNotInChain', image: 'x' }],
    ['an image with nothing below', four, { into: 'base' }, qmp, { _tag: 'NothingBelow', image: 'base' }],
    ['a base above', four, { into: 'a', base: 'b' }, qmp, { _tag: 'TopNotAboveBase', top: 'a', base: 'b' }],
    ['itself as base', four, { into: 'a', base: 'a' }, qmp, { _tag: 'TopNotAboveBase', top: 'a', base: 'a' }],
    [
      'an intermediate image through libvirt',
      four,
      { into: 'b' },
      live,
      { _tag: 'NotThisWay', via: 'libvirt', why: 'virDomainBlockRebase pulls into the active image only' },
    ],
    [
      'a first backing file that is shorter than the image and the base',
      parsed('base[abcdefgh] <- a[-i--] <- top[--j-----]^'),
      { into: 'top', base: 'base' },
      qmp,
      {
        _tag: 'ShortImageExposesBase',
        base: 'base',
        baseBytes: 8 * KiB64,
        short: 'a',
        shortBytes: 4 * KiB64,
        overlay: 'top',
        overlayBytes: 8 * KiB64,
      },
    ],
    [
      'an image that another guest reads',
      changed({ b: { otherReaders: ['other guest'] } }),
      { into: 'b', base: 'base' },
      qmp,
      { _tag: 'ImageShared', image: 'b', readers: [{ _tag: 'Other', reader: 'other guest' }] },
    ],
    [
      'to change what internal snapshots read',
      changed({ top: { internalSnapshots: [internal] } }),
      { into: 'top' },
      qmp,
      {
        _tag: 'InternalSnapshotsLost',
        lost: [{ image: 'top', snapshots: ['s1'] }],
        why: 'what they do not store themselves they would read from another image',
      },
    ],
    [
      'to remove bitmaps',
      changed({ a: { bitmaps: [bitmap] } }),
      { into: 'top', leftovers: 'remove' },
      qmp,
      { _tag: 'BitmapsLost', lost: [{ image: 'a', bitmaps: ['b0'] }] },
    ],
    [
      'to write plaintext',
      changed({ a: { encryption: 'luks' } }),
      { into: 'top' },
      qmp,
      { _tag: 'PlaintextLeak', from: ['a'], to: 'top' },
    ],
    [
      'encrypted images on a bare command line',
      changed({
        base: { encryption: 'luks' },
        a: { encryption: 'luks' },
        b: { encryption: 'luks' },
        top: { encryption: 'luks' },
      }),
      { into: 'top' },
      offline,
      {
        _tag: 'NotThisWay',
        via: 'qemu-img',
        why: '"base" is encrypted, and qemu-img would have to be given its secret',
      },
    ],
    [
      'a paused guest through libvirt, which would not flush',
      four,
      { into: 'top' },
      { ...live, guest: 'paused' },
      { _tag: 'GuestStateWrong', via: 'libvirt', guest: 'paused', needs: ['running'] },
    ],
    [
      'a job below',
      four,
      { into: 'top' },
      job('pull', 'a', 'b'),
      { _tag: 'JobOverlaps', job: 'j', kind: 'pull', images: ['a', 'b'] },
    ],
    [
      'a commit whose top is the base',
      four,
      { into: 'top', base: 'b' },
      job('commit', 'base', 'a', 'b'),
      { _tag: 'JobOverlaps', job: 'j', kind: 'commit', images: ['base', 'a', 'b'] },
    ],
  ] as const)('%s', (_, before, request, hypervisor, facts) => {
    expect(withoutAlternatives(refused(pull, before, request, hypervisor))).toStrictEqual(facts)
  })

  it('on QEMU 1.6 an intermediate image', () => {
    const capabilities = capabilitiesOfVersions({ qemu: '1.6.0' })
    expect(refused(pull, four, { into: 'b' }, { ...qmp, capabilities })).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [
        { feature: 'qemu-intermediate-stream', since: '2.8' },
        { feature: 'qemu-job-finalize', since: '3.1' },
      ],
    })
  })

  it('nothing where a job works on other images', () => {
    const deep = parsed('l0 <- l1 <- l2 <- l3 <- l4^')
    expect(E.isRight(pull(deep.chain, { into: 'l4', base: 'l2' }, job('pull', 'l1', 'l2')))).toBe(true)
    expect(E.isRight(commit(deep.chain, { top: 'l1', base: 'l0' }, job('pull', 'l3', 'l4')))).toBe(true)
  })
})

const fresh: NewImage = { name: 'new', location: file('/images/new'), format: 'qcow2' }

describe('a new image is refused', () => {
  it.each([
    ['whose name is taken', { ...fresh, name: 'a' }, { _tag: 'NameTaken', name: 'a', by: 'image' }],
    ['without a name', { ...fresh, name: '' }, { _tag: 'NameTaken', name: '', by: 'image' }],
    [
      'whose path is taken',
      { ...fresh, location: file('/images/./a') },
      { _tag: 'NameTaken', name: '/images/a', by: 'location' },
    ],
    [
      'over itself',
      { ...fresh, location: file('/images/top') },
      { _tag: 'NameTaken', name: '/images/top', by: 'own backing' },
    ],
    [
      'at a relative path',
      { ...fresh, location: file('new') },
      {
        _tag: 'DestinationWrong',
        name: 'new',
        why: 'relative',
        detail: 'a relative path means another file in another directory',
      },
    ],
    [
      'in a folder, without a name of its own',
      { ...fresh, location: file('/images/') },
      {
        _tag: 'LocationNotAddressable',
        image: 'new',
        via: 'qmp',
        why: 'it does not end in the name of a file',
      },
    ],
    [
      'where there is a file',
      { ...fresh, found: 'something' },
      { _tag: 'DestinationWrong', name: 'new', why: 'exists', detail: 'the file that is there would be overwritten' },
    ],
    [
      'that was made before and is not there',
      { ...fresh, made: 'before', found: 'nothing' },
      { _tag: 'DestinationWrong', name: 'new', why: 'missing', detail: 'there is nothing at its path' },
    ],
    [
      'that cannot hold an overlay',
      { ...fresh, format: 'raw' },
      { _tag: 'FormatCannotHoldOverlay', image: 'new', format: 'raw' },
    ],
    [
      'in a format that no plan makes',
      { ...fresh, format: 'vmdk' },
      { _tag: 'DestinationWrong', name: 'new', why: 'format', detail: 'new images are qcow2 or raw' },
    ],
    [
      'of another size',
      { ...fresh, sizeBytes: KiB64 },
      {
        _tag: 'DestinationWrong',
        name: 'new',
        why: 'size',
        detail: "it has 65536 bytes and the guest's disk has 262144",
      },
    ],
    [
      'on the network',
      { ...fresh, location: { _tag: 'Network', uri: 'nbd://host/new' } },
      {
        _tag: 'LocationNotAddressable',
        image: 'new',
        via: 'qmp',
        why: 'a plan opens new images as files and block devices only',
      },
    ],
    [
      'with a node name that QEMU does not take',
      { ...fresh, nodes: { format: '#x', storage: 'y' } },
      { _tag: 'NodeNameInvalid', node: '#x', why: 'a letter first, then letters, digits, ".", "_" and "-" only' },
    ],
    [
      'with a node name that is taken',
      { ...fresh, nodes: { format: 'top-format', storage: 'y' } },
      { _tag: 'NameTaken', name: 'top-format', by: 'node' },
    ],
  ] as const)('%s', (_, overlay, facts) => {
    expect(withoutAlternatives(refused(addOverlay, four, { overlay }))).toStrictEqual(facts)
  })

  it('as a copy of everything with a backing string', () => {
    const request = { to: { ...fresh, header: '/images/a' }, depth: 'full', end: 'keep' } as const
    expect(refused(copy, four, request)).toMatchObject({ _tag: 'DestinationWrong', why: 'contents' })
  })

  it('with a backing string that leads to another image', () => {
    const overlay = { ...fresh, header: './a' }
    expect(refused(addOverlay, four, { overlay })).toMatchObject({
      _tag: 'DestinationWrong',
      why: 'contents',
      detail: 'its backing string leads to a and not to top',
    })
  })

  it('onto a chain of another size', () => {
    const before = parsed('base[abcd] <- top[-e--]^; other[abcde]')
    const request = { to: fresh, depth: 'shallow', onto: 'other', end: 'pivot' } as const
    expect(refused(copy, before, request)).toMatchObject({ _tag: 'DestinationWrong', why: 'contents' })
  })

  it('shallowly where there is nothing below', () => {
    const before = parsed('top[abcd]^')
    expect(refused(copy, before, { to: fresh, depth: 'shallow', end: 'pivot' })).toMatchObject({
      _tag: 'NothingBelow',
      alternatives: [{ _tag: 'Copy', depth: 'full' }],
    })
  })

  it('over an encrypted image, because the guest would write plaintext from then on', () => {
    const before = changed({ top: { encryption: 'luks' } })
    expect(refused(addOverlay, before, { overlay: fresh })).toMatchObject({
      _tag: 'PlaintextLeak',
      from: ['top'],
      to: 'new',
    })
    expect(E.isRight(addOverlay(before.chain, { overlay: fresh, accept: ['PlaintextLeak'] }, qmp))).toBe(true)
  })

  it('through libvirt 1.1.1 on a persistent domain, and not on a transient one', () => {
    const old: Hypervisor = { ...live, capabilities: capabilitiesOfVersions({ qemu: '1.6.0', libvirt: '1.1.1' }) }
    const request = { to: fresh, depth: 'full', end: 'pivot' } as const
    expect(refused(copy, four, request, old)).toMatchObject({
      _tag: 'CapabilityMissing',
      missing: [{ feature: 'libvirt-block-copy' }, { feature: 'libvirt-transient-job', since: '3.5.0' }],
    })
    const transient: Hypervisor = { ...old, domain: { ...live.domain, definition: 'transient' } }
    expect(E.isRight(copy(four.chain, request, transient))).toBe(true)
  })
})
