// 100,000 images: no stack that grows with a chain, and no quadratic walk.

import { describe, expect, it } from 'vitest'

import { chain } from 'backing-chain'
import type { Chain, ImageDescription } from 'backing-chain'
import { durableChain, fileView, guestView, liveChain, observeChain, start, worldOf } from 'backing-chain/simulate'
import type { SimStep, World } from 'backing-chain/simulate'
import { after, at, img, qmp, right } from './pretend.js'

const name = (index: number): string => `l${index}`

const deep = (count: number): Chain =>
  right(
    chain(
      'vda',
      Array.from({ length: count }, (_, index): ImageDescription => ({
        name: name(index),
        format: 'qcow2',
        sizeBytes: 65536,
        location: { _tag: 'File', path: `/images/${name(index)}` },
        otherReaders: [],
        node: { format: `${name(index)}-f`, storage: `${name(index)}-s`, owner: 'monitor', filters: [] },
        ...(index === 0
          ? {}
          : { backing: { image: name(index - 1), header: `/images/${name(index - 1)}`, format: 'qcow2' as const } }),
      })),
      name(count - 1),
    ),
  )

describe('a chain of 100,000 images', () => {
  const count = 100_000
  const top = name(count - 1)
  const images = deep(count)
  const running = right(worldOf(images, new Map(), { guest: 'running' }))
  const off: World = { ...running, qemu: undefined }

  it('is opened, read and observed', () => {
    const zeroes = { kind: 'zero', startBytes: 0, endBytes: 65536 }
    expect(liveChain(running)).toHaveLength(count)
    expect(guestView(running)?.runs).toEqual([zeroes])
    expect(right(fileView(running, `/images/${top}`)).runs).toEqual([zeroes])
    expect(right(durableChain(running, `/images/${top}`))).toHaveLength(count)
    expect(right(observeChain(running, images)).images.size).toBe(count)
  })

  it('is started', () => expect(liveChain(right(start(off)))).toHaveLength(count))

  it('is committed by QEMU into the lowest image', () => {
    const job = { 'job-id': 'j', device: `${top}-f`, 'top-node': `${name(count - 2)}-f`, 'auto-dismiss': false }
    after(running, [qmp({ execute: 'block-commit', arguments: { ...job, 'base-node': 'l0-f' } }, at('j', 'concluded'))])
  })

  it('is committed and rebased by qemu-img', () => {
    const done = after(off, [
      img('commit', '-d', '-b', '/images/l0', `/images/${top}`),
      img('rebase', '-b', 'l0', '-F', 'qcow2', `/images/${top}`),
    ])
    expect(right(durableChain(done, `/images/${top}`))).toHaveLength(2)
  })
})

describe('a chain of 20,000 images', () => {
  it('is pulled into one, and every other is closed and removed', () => {
    const count = 20_000
    const top = name(count - 1)
    const others = Array.from({ length: count - 1 }, (_, index) => name(count - 2 - index))
    const steps: ReadonlyArray<SimStep> = [
      qmp(
        { execute: 'block-stream', arguments: { 'job-id': 'j', device: `${top}-f`, 'auto-dismiss': false } },
        at('j', 'concluded'),
      ),
      qmp({ execute: 'job-dismiss', arguments: { id: 'j' } }),
      qmp({ execute: 'stop' }),
      ...others.flatMap((other) =>
        [`${other}-f`, `${other}-s`].map((node) => qmp({ execute: 'blockdev-del', arguments: { 'node-name': node } })),
      ),
      ...others.map((other): SimStep => ({ call: { _tag: 'Files', operation: 'remove', path: `/images/${other}` } })),
    ]
    const done = after(right(worldOf(deep(count), new Map(), { guest: 'running' })), steps)
    expect(done.incidents).toEqual([])
    expect(liveChain(done).map(({ path }) => path)).toEqual([`/images/${top}`])
  })
})
