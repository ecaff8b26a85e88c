import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { parseStorageDaemon, storageDaemonArgv } from '../../src/call/storage-daemon-argv.js'
import { judgeDaemon } from '../../src/index.js'

const name = fc.stringMatching(/^[a-z]{1,8}$/)

const options = fc.oneof(
  fc.record(
    {
      driver: fc.constantFrom('file' as const, 'host_device' as const),
      'node-name': name,
      filename: fc.string(),
      'auto-read-only': fc.boolean(),
    },
    { requiredKeys: ['driver', 'node-name', 'filename'] },
  ),
  fc.record(
    {
      driver: fc.constantFrom('qcow2', 'raw'),
      'node-name': name,
      file: name,
      backing: fc.option(name, { nil: null }),
      'read-only': fc.boolean(),
    },
    { requiredKeys: ['driver', 'node-name', 'file'] },
  ),
)

describe('the argument vector of a storage daemon', () => {
  it('is read as it was written', () => {
    const of = fc.record({ blockdevs: fc.array(options), socket: fc.string().map((path) => `/${path}`) })
    fc.assert(
      fc.property(of, (given) => {
        expect(parseStorageDaemon(storageDaemonArgv(given))).toEqual(E.right(given))
      }),
    )
  })

  it.each([
    [['--blockdev', 'qcow2,node-name=a']],
    [['--blockdev', '{"driver":"qcow2","node-name":"a","file":"s","cache":{"direct":true}}']],
    [['--export', 'type=nbd']],
    [['--monitor', 'chardev=monitor']],
    [[]],
  ])('is not guessed at: %j', (words) => {
    expect(E.isLeft(parseStorageDaemon(['qemu-storage-daemon', ...words]))).toBe(true)
  })
})

describe('judgeDaemon', () => {
  const wait = { _tag: 'Daemon', socket: '/s' } as const

  it.each([
    ['answers', { process: 'runs', monitor: 'answers' }, 'reached'],
    ['answers', { process: 'runs', monitor: 'silent' }, 'waiting'],
    ['answers', { process: { exit: 0 }, monitor: 'silent' }, 'failed'],
    ['gone', { process: 'runs', monitor: 'silent' }, 'waiting'],
    ['gone', { process: 'runs', monitor: 'answers' }, 'waiting'],
    ['gone', { process: { exit: 0 }, monitor: 'silent' }, 'reached'],
    ['gone', { process: { exit: 137 }, monitor: 'silent' }, 'failed'],
  ] as const)('%s, %j: %s', (status, reported, state) => {
    expect(judgeDaemon({ ...wait, status }, reported)).toBe(state)
  })
})
