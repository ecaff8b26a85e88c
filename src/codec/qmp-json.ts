import * as t from 'io-ts'

import type { QmpCommand, TransactionAction } from '../call/qmp.js'
import { exact, flag, isObject, list, oneOf, shape, size, tagged, text } from './shape.js'

/** A string or null. */
export const textOrNull = shape(
  'a string or null',
  (value): value is string | null => value === null || typeof value === 'string',
)

const job = {
  'auto-finalize': flag,
  'auto-dismiss': flag,
  speed: size,
  'filter-node-name': text,
}

const masked = { 'base-node': text, 'backing-file': text, 'backing-mask-protocol': flag }

const snapshotArguments = exact({ node: text, overlay: text }, {})

const internalArguments = exact({ device: text, name: text }, {})

const backupArguments = exact(
  { 'job-id': text, device: text, target: text, sync: oneOf('full') },
  { ...job, compress: flag },
)

const withMemory = exact({ 'job-id': text, tag: text, vmstate: text, devices: list(text) }, {})

const actionMembers = {
  'blockdev-snapshot': exact({ type: oneOf('blockdev-snapshot'), data: snapshotArguments }, {}),
  'blockdev-backup': exact({ type: oneOf('blockdev-backup'), data: backupArguments }, {}),
  'blockdev-snapshot-internal-sync': exact(
    { type: oneOf('blockdev-snapshot-internal-sync'), data: internalArguments },
    {},
  ),
  'block-dirty-bitmap-add': exact(
    {
      type: oneOf('block-dirty-bitmap-add'),
      data: exact({ node: text, name: text, granularity: size, persistent: flag }, {}),
    },
    {},
  ),
} satisfies {
  readonly [T in TransactionAction['type']]: t.Decoder<unknown, TransactionAction & { readonly type: T }>
}

const createOptions = tagged('driver', {
  file: exact({ driver: oneOf('file'), filename: text, size }, {}),
  qcow2: exact(
    { driver: oneOf('qcow2'), file: text, size },
    { 'cluster-size': size, 'backing-file': text, 'backing-fmt': text },
  ),
})

const storageOptions = exact(
  { driver: oneOf('file', 'host_device'), 'node-name': text, filename: text },
  { 'read-only': flag, 'auto-read-only': flag },
)

const formatOptions = exact({ driver: text, 'node-name': text, file: text }, { backing: textOrNull, 'read-only': flag })

type AddOptions = t.TypeOf<typeof storageOptions> | t.TypeOf<typeof formatOptions>

const addOptions = new t.Type<AddOptions, AddOptions, unknown>(
  'an object',
  (value): value is AddOptions => storageOptions.is(value) || formatOptions.is(value),
  (value, context) =>
    isObject(value) && Object.hasOwn(value, 'filename')
      ? storageOptions.validate(value, context)
      : formatOptions.validate(value, context),
  t.identity,
)

const onJob = exact({ id: text }, {})

const bare = <S extends string>(name: S) => exact({ execute: oneOf(name) }, {})

const withArguments = <S extends string, A>(name: S, of: t.Type<A, A, unknown>) =>
  exact({ execute: oneOf(name), arguments: of }, {})

const commandMembers = {
  'block-commit': withArguments(
    'block-commit',
    exact({ 'job-id': text, device: text }, { ...job, ...masked, 'top-node': text }),
  ),
  'block-stream': withArguments('block-stream', exact({ 'job-id': text, device: text }, { ...job, ...masked })),
  'blockdev-mirror': withArguments(
    'blockdev-mirror',
    exact(
      { 'job-id': text, device: text, target: text, sync: oneOf('full', 'top') },
      { ...job, replaces: text, 'copy-mode': oneOf('background', 'write-blocking') },
    ),
  ),
  'blockdev-backup': withArguments('blockdev-backup', backupArguments),
  'blockdev-snapshot': withArguments('blockdev-snapshot', snapshotArguments),
  'blockdev-snapshot-internal-sync': withArguments('blockdev-snapshot-internal-sync', internalArguments),
  'blockdev-snapshot-delete-internal-sync': withArguments(
    'blockdev-snapshot-delete-internal-sync',
    exact({ device: text }, { id: text, name: text }),
  ),
  'snapshot-save': withArguments('snapshot-save', withMemory),
  'snapshot-load': withArguments('snapshot-load', withMemory),
  'snapshot-delete': withArguments('snapshot-delete', exact({ 'job-id': text, tag: text, devices: list(text) }, {})),
  transaction: withArguments('transaction', exact({ actions: list(tagged('type', actionMembers)) }, {})),
  'blockdev-create': withArguments('blockdev-create', exact({ 'job-id': text, options: createOptions }, {})),
  'blockdev-add': withArguments('blockdev-add', addOptions),
  'blockdev-del': withArguments('blockdev-del', exact({ 'node-name': text }, {})),
  'job-complete': withArguments('job-complete', onJob),
  'job-finalize': withArguments('job-finalize', onJob),
  'job-dismiss': withArguments('job-dismiss', onJob),
  'job-cancel': withArguments('job-cancel', onJob),
  'block-job-cancel': withArguments('block-job-cancel', exact({ device: text }, { force: flag })),
  'blockdev-reopen': withArguments('blockdev-reopen', exact({ options: list(formatOptions) }, {})),
  'query-named-block-nodes': withArguments('query-named-block-nodes', exact({ flat: flag }, {})),
  stop: bare('stop'),
  cont: bare('cont'),
  'query-jobs': bare('query-jobs'),
  'query-block': bare('query-block'),
  'query-status': bare('query-status'),
  quit: bare('quit'),
} satisfies { readonly [E in QmpCommand['execute']]: t.Decoder<unknown, QmpCommand & { readonly execute: E }> }

/** A QMP command that a plan can have. */
export const qmpCommand = tagged('execute', commandMembers)
