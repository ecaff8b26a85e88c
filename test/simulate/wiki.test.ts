// RULES.md R3: the six live calls of the wiki on base <- a <- b <- top^, raw, in both dialects.

import { describe, expect, it } from 'vitest'

import { durableChain, guestView, liveChain } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { patternOfLayer } from 'backing-chain'
import { after, commitMiddle, guest, host, libvirt, own, right, stream } from './pretend.js'

const picture = 'base[a---] <- a[-b--] <- b[--c-] <- top[---d]^'
const on = { domain: 'vm', disk: 'vda' }
const path = (name: string): string => `/images/${name}`

const blockCommit = (
  top: string | null,
  base: string | null,
  flags: ReadonlyArray<'VIR_DOMAIN_BLOCK_COMMIT_SHALLOW'> = [],
): ReadonlyArray<SimStep> => [
  libvirt({ call: 'virDomainBlockCommit', arguments: { ...on, base, top, bandwidth: 0 }, flags }, 'completed'),
]

const blockRebase = (base: string | null): ReadonlyArray<SimStep> => [
  libvirt({ call: 'virDomainBlockRebase', arguments: { ...on, base, bandwidth: 0 }, flags: [] }, 'completed'),
]

const chainOf = (world: World): string =>
  liveChain(world)
    .map((image) => image.path.slice('/images/'.length))
    .join(' <- ')

/** The live chain and the one on disk, which must agree, and what each of its images itself stores. */
const pictureOf = (world: World): string => {
  const names = liveChain(world).map((image) => image.path.slice('/images/'.length))
  const durable = right(durableChain(world, liveChain(world).at(-1)?.path ?? ''))
  expect(durable.map((image) => image.path)).toEqual(liveChain(world).map((image) => image.path))
  return names.map((name) => `${name}[${own(world, name)}]`).join(' <- ')
}

const libvirtHost = (): World => host(picture, { domain: { name: 'vm', definition: 'persistent' } })
const suspend = libvirt({ call: 'virDomainSuspend', arguments: { domain: 'vm' }, flags: [] })
const stop: SimStep = { call: { _tag: 'Qmp', command: { execute: 'stop' } } }

const calls: ReadonlyArray<{
  readonly name: string
  readonly result: string
  readonly qmp: ReadonlyArray<SimStep>
  readonly libvirt: ReadonlyArray<ReadonlyArray<SimStep>>
}> = [
  {
    name: 'commit a into base',
    result: 'base[ab--] <- b[--c-] <- top[---d]',
    qmp: commitMiddle({ device: 'top', top: 'a', base: 'base', header: path('base') }),
    libvirt: [blockCommit(path('a'), path('base')), blockCommit(path('a'), null)],
  },
  {
    name: 'commit b into a',
    result: 'base[a---] <- a[-bc-] <- top[---d]',
    qmp: commitMiddle({ device: 'top', top: 'b', base: 'a', header: path('a') }),
    libvirt: [blockCommit(path('b'), path('a')), blockCommit(path('b'), null, ['VIR_DOMAIN_BLOCK_COMMIT_SHALLOW'])],
  },
  {
    name: 'commit b into base',
    result: 'base[abc-] <- top[---d]',
    qmp: commitMiddle({ device: 'top', top: 'b', base: 'base', header: path('base') }),
    libvirt: [blockCommit(path('b'), path('base')), blockCommit(path('b'), null)],
  },
  {
    name: 'pull everything into top',
    result: 'top[abcd]',
    qmp: stream('top'),
    libvirt: [
      blockRebase(null),
      [libvirt({ call: 'virDomainBlockPull', arguments: { ...on, bandwidth: 0 }, flags: [] }, 'completed')],
    ],
  },
  {
    name: 'pull down to base',
    result: 'base[a---] <- top[-bcd]',
    qmp: stream('top', 'base'),
    libvirt: [blockRebase(path('base'))],
  },
  {
    name: 'pull down to a',
    result: 'base[a---] <- a[-b--] <- top[--cd]',
    qmp: stream('top', 'a'),
    libvirt: [blockRebase(path('a'))],
  },
]

describe.each(calls)("the wiki's call: $name", ({ result, qmp: steps, libvirt: ways }) => {
  it('by QMP', () => {
    const done = after(host(picture), [...steps, stop])
    expect(pictureOf(done)).toBe(result)
    expect(guest(done)).toBe('abcd')
  })

  it.each(ways.map((way) => [way]))('by libvirt %#', (way) => {
    const done = after(libvirtHost(), [...way, suspend])
    expect(pictureOf(done)).toBe(result)
    expect(guest(done)).toBe('abcd')
    const off = guestView({ ...done, qemu: undefined })
    expect(off === undefined ? '' : patternOfLayer(off)).toBe('abcd')
  })
})

describe("the wiki's table has one mistake", () => {
  it('NULL without SHALLOW is the lowest image, not the one below top', () => {
    const done = after(libvirtHost(), blockCommit(path('b'), null))
    expect(chainOf(done)).toBe('base <- top')
  })
})
