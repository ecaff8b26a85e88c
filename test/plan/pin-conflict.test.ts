import { describe, expect, it } from 'vitest'

import { withImages } from '../../src/model/chain.js'
import type { Image } from '../../src/model/image.js'
import { withMachine } from '../../src/model/machine.js'
import type { Machine } from '../../src/model/machine.js'
import { pinnedBy } from '../../src/model/saved-pin.js'
import type { SavedState } from '../../src/model/saved-state.js'
import { element } from '../../src/model/xml.js'
import { pinConflicts, unfitPins } from '../../src/plan/pin-conflict.js'
import { vm } from '../operation/machine.js'

const off = (vda: string): Machine => vm({ disks: { vda }, state: 'shut-off' }).machine

const source = (path: string) => element('source', { file: path })

/** A state that names the uppermost image, and stores what lies below as far as these go. */
const naming = (path: string, ...below: ReadonlyArray<string>): SavedState => {
  const stored = below.reduceRight<ReadonlyArray<ReturnType<typeof element>>>(
    (inside, one) =>
      one === 'end' ? [element('backingStore')] : [element('backingStore', {}, [source(one), ...inside])],
    [],
  )
  const disk = element('disk', { type: 'file' }, [source(path), ...stored, element('target', { dev: 'vda' })])
  const definition = element('domain', {}, [element('devices', {}, [disk])])
  return { place: { kind: 'managed' }, guest: 'running', definition, known: 'as printed', disks: 'as saved' }
}

const before = off('v[aa] <- v.1[-b] <- v.2^')

/** The machine with an image changed, under the same name. */
const changed = (name: string, change: Partial<Image>): Machine => {
  const chain = before.disks.get('vda')
  const image = chain?.images.get(name)
  if (chain === undefined || image === undefined) throw new Error(name)
  const images = new Map(chain.images).set(name, { ...image, ...change })
  return withMachine(before, { disks: new Map([['vda', withImages(chain, images)]]) })
}

const said = (after: Machine, saved: SavedState = naming('/images/v.2')): ReadonlyArray<string> =>
  pinConflicts({ before, after, parts: [] }, saved).map(({ path, change }) => `${path} ${change}`)

describe('what a state pins', () => {
  const pins = (saved: SavedState): ReadonlyArray<string> =>
    pinnedBy(saved, before)
      .get('vda')
      ?.map(({ path }) => path) ?? []

  it('is what it names, and what the headers say below, unless the chain is said to end', () => {
    const whole = ['/images/v', '/images/v.1', '/images/v.2']
    expect(pins(naming('/images/v.2'))).toEqual(whole)
    expect(pins(naming('/images/v.2', '/images/v.1'))).toEqual(whole)
    expect(pins(naming('/images/v.2', '/images/v.1', 'end'))).toEqual(whole.slice(1))
    expect(pins(naming('/images/./v.1'))).toEqual(whole.slice(0, 2))
    expect(pins(naming('/images/other'))).toEqual(['/images/other'])
  })

  it('is what somebody has seen when it was saved, where somebody has', () => {
    const images = new Map([['vda', [{ path: '/images/seen', format: undefined, sizeBytes: undefined }]]])
    expect(pins({ ...naming('/images/v.2'), images })).toEqual(['/images/seen'])
  })
})

describe('what a plan does to it', () => {
  it('nothing', () => expect(said(before)).toEqual([]))

  it('another path, another size, another image below', () => {
    const there = { location: { _tag: 'File', path: '/images/there' } } as const
    expect(said(changed('v', there))).toEqual(['/images/v renamed', '/images/v.1 repointed'])
    expect(said(changed('v', { sizeBytes: 1 << 20 }))).toEqual(['/images/v resized'])
    expect(said(changed('v.2', there))).toEqual(['/images/v.2 renamed', '/images/v.2 not active'])
  })

  it('of what it does not pin nothing matters', () => {
    expect(said(changed('v', { sizeBytes: 1 << 20 }), naming('/images/v.2', '/images/v.1', 'end'))).toEqual([])
    expect(said(off('v[aa] <- v.1[-b]^'), naming('/images/v'))).toEqual([])
  })
})

describe('what does not fit a state', () => {
  const unfit = (saved: SavedState, of: Machine = before): ReadonlyArray<string> =>
    unfitPins(saved, of).map(({ path, change }) => `${path} ${change}`)

  it('a chain that it stores, and that the headers do not have', () => {
    expect(unfit(naming('/images/v.2', '/images/v.1', '/images/v', 'end'))).toEqual([])
    expect(unfit(naming('/images/v.2', '/images/v'))).toEqual(['/images/v repointed'])
    expect(unfit(naming('/images/v.2', '/images/v', '/images/v.1', 'end'))).toEqual(['/images/v.1 repointed'])
    expect(unfit(naming('/images/v.1'))).toEqual(['/images/v.1 not active'])
  })

  it('a size that somebody has seen', () => {
    const images = pinnedBy(naming('/images/v.2'), before)
    const seen = { ...naming('/images/v.2'), images }
    expect(unfit(seen)).toEqual([])
    expect(unfit(seen, changed('v', { sizeBytes: 1 << 20 }))).toEqual(['/images/v resized'])
  })
})
