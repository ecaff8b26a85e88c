import type * as t from 'io-ts'

import type { Call } from '../call/call.js'
import { hostPrograms } from '../call/host.js'
import type { HostCall } from '../call/host.js'
import type { Wait } from '../call/wait.js'
import { libvirtCall } from './libvirt-json.js'
import { qmpCommand } from './qmp-json.js'
import { exact, list, oneOf, shape, size, tagged, text } from './shape.js'

type Argv = readonly ['qemu-img', ...ReadonlyArray<string>]

const argv = shape(
  'an array of strings, the first "qemu-img"',
  (value): value is Argv => list(text).is(value) && value[0] === 'qemu-img',
)

type DaemonArgv = readonly ['qemu-storage-daemon', ...ReadonlyArray<string>]

const daemonArgv = shape(
  'an array of strings, the first "qemu-storage-daemon"',
  (value): value is DaemonArgv => list(text).is(value) && value[0] === 'qemu-storage-daemon',
)

type HostArgv = HostCall['argv']

const hostArgv = shape(
  `an array of strings, the first one of ${hostPrograms.join(', ')}`,
  (value): value is HostArgv => list(text).is(value) && hostPrograms.some((program) => program === value[0]),
)

const files = tagged('operation', {
  remove: exact({ _tag: oneOf('Files'), operation: oneOf('remove'), path: text }, {}),
  rename: exact({ _tag: oneOf('Files'), operation: oneOf('rename'), path: text, to: text }, {}),
  link: exact({ _tag: oneOf('Files'), operation: oneOf('link'), path: text, to: text }, {}),
})

const call = tagged('_tag', {
  Qmp: exact({ _tag: oneOf('Qmp'), command: qmpCommand }, { socket: text }),
  Libvirt: exact({ _tag: oneOf('Libvirt'), function: libvirtCall }, {}),
  QemuImg: exact({ _tag: oneOf('QemuImg'), argv }, {}),
  StorageDaemon: exact({ _tag: oneOf('StorageDaemon'), argv: daemonArgv }, {}),
  Files: files,
  Agent: exact(
    { _tag: oneOf('Agent'), command: exact({ execute: oneOf('guest-fsfreeze-freeze', 'guest-fsfreeze-thaw') }, {}) },
    {},
  ),
  Host: exact({ _tag: oneOf('Host'), argv: hostArgv }, {}),
  HandOver: exact(
    {
      _tag: oneOf('HandOver'),
      level: text,
      task: oneOf('take', 'delete', 'revert'),
      disk: text,
      snapshot: text,
      path: text,
    },
    {},
  ),
} satisfies { readonly [T in Call['_tag']]: t.Decoder<unknown, Call & { readonly _tag: T }> })

const reported = exact({ image: text, format: text, location: text }, {})

const wait = tagged('_tag', {
  QmpJob: exact({ _tag: oneOf('QmpJob'), job: text, status: oneOf('ready', 'pending', 'concluded') }, {}),
  LibvirtJob: exact({ _tag: oneOf('LibvirtJob'), disk: text, status: oneOf('ready', 'completed', 'canceled') }, {}),
  LibvirtJobs: exact({ _tag: oneOf('LibvirtJobs'), disks: list(text), status: oneOf('completed') }, {}),
  ChainIs: exact({ _tag: oneOf('ChainIs'), disk: text, images: list(reported) }, {}),
  Daemon: exact({ _tag: oneOf('Daemon'), socket: text, status: oneOf('answers', 'gone') }, {}),
} satisfies { readonly [T in Wait['_tag']]: t.Decoder<unknown, Wait & { readonly _tag: T }> })

/** What every step of a plan has, and what it can have besides. */
export const stepMembers = { needed: { call, why: text }, allowed: { until: wait } }

/** A step of a plan. */
export const step = exact(stepMembers.needed, stepMembers.allowed)

/** A step that is taken on every way out. */
export const cleanup = exact(
  { from: size, step: exact(stepMembers.needed, { ...stepMembers.allowed, failure: text }) },
  { once: oneOf('done'), before: size },
)
