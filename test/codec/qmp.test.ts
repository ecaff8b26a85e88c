import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

import { decodeQmpSchema, qmpValidator, validateQmpCommand } from '../../src/codec/index.js'
import { capabilitiesOfVersions, features, withSchema } from '../../src/call/capability.js'
import { left, right, versions } from './captured.js'

const schemaOf = (version: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/qmp-schema/qemu-${version}.json`, import.meta.url)), 'utf8')

describe.each(versions)('query-qmp-schema of QEMU %s', (version) => {
  const reply = schemaOf(version)
  const check = right(qmpValidator(reply))

  const problems = (execute: string, given?: object): ReadonlyArray<string> =>
    check(given === undefined ? { execute } : { execute, arguments: given }).map(
      ({ path, actual }) => `${path.replace('$.arguments', '')} ${actual}`,
    )

  test('commands and their arguments', () => {
    const { commands } = right(decodeQmpSchema(reply))
    expect(commands.size).toBe(version === '7.2' ? 216 : 233)
    expect(commands.get('block-commit')?.has('top-node')).toBe(true)
    expect(commands.get('block-commit')?.has('backing-mask-protocol')).toBe(version === '10.0')
    expect(commands.get('query-block')?.size).toBe(0)
    expect(commands.get('blockdev-add')?.has('throttle-group')).toBe(true)
    expect(commands.has('STOP')).toBe(false)
  })

  test('tells the same capabilities as the version does', () => {
    const byVersion = capabilitiesOfVersions({ qemu: version, libvirt: '11.3.0' })
    const bySchema = withSchema(byVersion, right(decodeQmpSchema(reply)))
    expect(features.filter((feature) => bySchema.features.has(feature))).toEqual(
      features.filter((feature) => byVersion.features.has(feature)),
    )
  })

  test('a reply as it comes down the socket is read too', () => {
    expect(decodeQmpSchema(`{ "id": 1, "return": ${reply} }`)).toEqual(decodeQmpSchema(reply))
  })

  test('what is right has no problem', () => {
    expect(problems('query-block')).toEqual([])
    expect(problems('query-named-block-nodes', { flat: true })).toEqual([])
    expect(problems('block-commit', { 'job-id': 'j', device: 'a', 'top-node': 't', 'on-error': 'stop' })).toEqual([])
    expect(problems('blockdev-add', { driver: 'qcow2', 'node-name': 'n', file: 'f', backing: null })).toEqual([])
    expect(
      problems('blockdev-add', { driver: 'qcow2', file: { driver: 'file', filename: '/x', 'auto-read-only': true } }),
    ).toEqual([])
    expect(
      problems('blockdev-create', { 'job-id': 'j', options: { driver: 'file', filename: '/x', size: 65536 } }),
    ).toEqual([])
    expect(
      problems('transaction', { actions: [{ type: 'blockdev-snapshot', data: { node: 'a', overlay: 'b' } }] }),
    ).toEqual([])
    const backup = { 'job-id': 'j', device: 'a', target: 't', sync: 'full', 'auto-dismiss': false }
    expect(problems('blockdev-backup', backup)).toEqual([])
    expect(problems('transaction', { actions: [{ type: 'blockdev-backup', data: backup }] })).toEqual([])
    expect(check({ 'exec-oob': 'migrate-pause', id: 7 })).toEqual([])
  })

  test.each([
    ['a misspelt member', 'block-commit', { device: 'a', 'top-nod': 't' }, ['.top-nod "t"']],
    ['a mandatory member that is missing', 'blockdev-del', {}, ['.node-name nothing']],
    ['all arguments missing', 'blockdev-del', undefined, ['.node-name nothing']],
    ['a wrong enum value', 'block-commit', { device: 'a', 'on-error': 'pause' }, ['.on-error "pause"']],
    ['a deprecated argument', 'block-commit', { device: 'a', base: 'b' }, ['.base "b"']],
    ['a deprecated command', 'drive-backup', { device: 'd', target: 't', sync: 'full' }, ['$.execute "drive-backup"']],
    ['a string for a boolean', 'block-stream', { device: 'a', 'auto-dismiss': 'no' }, ['.auto-dismiss "no"']],
    ['a string for an integer', 'block-stream', { device: 'a', speed: '1' }, ['.speed "1"']],
    ['a fraction for an integer', 'block-stream', { device: 'a', speed: 0.5 }, ['.speed 0.5']],
    ['null for a string', 'block-stream', { device: null }, ['.device null']],
    ['arguments that are no object', 'block-stream', ['device'], [' an array of 1']],
    ['a member of another variant', 'blockdev-add', { driver: 'qcow2', file: 'f', filename: '/x' }, ['.filename "/x"']],
    ['a mandatory member of a variant', 'blockdev-add', { driver: 'file' }, ['.filename nothing']],
    ['no branch of an alternate', 'blockdev-add', { driver: 'qcow2', file: 7 }, ['.file 7']],
    [
      'deep inside an alternate',
      'blockdev-add',
      { driver: 'raw', file: { driver: 'file' } },
      ['.file.filename nothing'],
    ],
    ['an array that is none', 'transaction', { actions: {} }, ['.actions an object']],
    ['inside an array', 'transaction', { actions: [{ type: 'abort', data: {} }, 7] }, ['.actions[1] 7']],
    ['a member that QEMU has under another name', 'query-block', { flat: true }, ['.flat true']],
    ['a member that looks like an inherited one', 'query-block', { constructor: 1 }, ['.constructor 1']],
  ])('%s', (_name, execute, given, expected) => {
    expect(problems(execute, given)).toEqual(expected)
  })

  test('a newer argument is a problem of the older QEMU', () => {
    const found = problems('block-commit', { device: 'a', 'backing-mask-protocol': true })
    expect(found).toEqual(version === '7.2' ? ['.backing-mask-protocol true'] : [])
  })

  test.each([
    [{ execute: 'block-comit' }, ['$.execute']],
    [{ execute: 'JOB_STATUS_CHANGE' }, ['$.execute']],
    [{ execute: 'query-block', argument: {} }, ['$.argument']],
    [{ command: 'query-block' }, ['$.command', '$.execute']],
    [{ execute: 7 }, ['$.execute']],
    ['query-block', ['$']],
    [null, ['$']],
    [[], ['$']],
  ])('%j', (command, paths) => {
    expect(check(command).map(({ path }) => path)).toEqual(paths)
  })

  test('depth of a command is no depth of the stack', () => {
    let file: object = { driver: 'file' }
    for (let depth = 0; depth < 100_000; depth++) file = { driver: 'raw', file }
    expect(check({ execute: 'blockdev-add', arguments: file })).toHaveLength(1)
  })
})

test('a schema that cannot be read is a problem', () => {
  expect(validateQmpCommand('{', {})).toMatchObject([{ path: 'schema' }])
  expect(validateQmpCommand([{ 'meta-type': 'command', name: 'a' }], {})).toMatchObject([
    { path: 'schema: $[0].arg-type' },
    { path: 'schema: $[0].ret-type' },
  ])
  expect(left(decodeQmpSchema([{ 'meta-type': 'thing' }]))).toMatchObject({ problems: [{ path: '$[0].meta-type' }] })
  expect(
    validateQmpCommand([{ 'meta-type': 'command', name: 'a', 'arg-type': '9', 'ret-type': '0' }], { execute: 'a' }),
  ).toMatchObject([{ path: '$.arguments', expected: 'a type that the schema has, not "9"' }])
})
