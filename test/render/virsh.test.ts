import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

import type { LibvirtCall } from '../../src/call/libvirt.js'
import { element, xmlText } from '../../src/model/xml.js'
import { virshCommand, virshLine } from '../../src/render/virsh.js'

const disk = { domain: 'vm', disk: 'vda' } as const
const snapshot = { domain: 'vm', snapshot: 's1' } as const
const xml = element('disk', { type: 'file' }, [element('source', { file: "/it's" })])

// The synopses of `virsh help` 11.3.0.
const synopses = [
  'blockcommit <domain> <path> [--bandwidth <number>] [--base <string>] [--shallow] [--top <string>] [--active] [--delete] [--wait] [--verbose] [--timeout <number>] [--pivot] [--keep-overlay] [--async] [--keep-relative] [--bytes]',
  'blockpull <domain> <path> [--bandwidth <number>] [--base <string>] [--wait] [--verbose] [--timeout <number>] [--async] [--keep-relative] [--bytes]',
  'blockcopy <domain> <path> [--dest <string>] [--bandwidth <number>] [--shallow] [--reuse-external] [--blockdev] [--wait] [--verbose] [--timeout <number>] [--pivot] [--finish] [--async] [--xml <string>] [--format <string>] [--granularity <number>] [--buf-size <number>] [--bytes] [--transient-job] [--synchronous-writes] [--print-xml]',
  'blockjob <domain> <path> [--abort] [--async] [--pivot] [--info] [--bytes] [--raw] [--bandwidth <number>]',
  'snapshot-create <domain> [<xmlfile>] [--redefine] [--current] [--no-metadata] [--halt] [--disk-only] [--reuse-external] [--quiesce] [--atomic] [--live] [--validate]',
  'snapshot-delete <domain> [<snapshotname>] [--current] [--children] [--children-only] [--metadata]',
  'snapshot-revert <domain> [<snapshotname>] [--current] [--running] [--paused] [--force] [--reset-nvram]',
  'snapshot-dumpxml <domain> <snapshotname> [--security-info] [--xpath <string>] [--wrap]',
  'domfsfreeze <domain> [<mountpoint>]...',
  'domfsthaw <domain> [<mountpoint>]...',
  'destroy <domain> [--graceful] [--remove-logs]',
  'start <domain> [--console] [--paused] [--autodestroy] [--bypass-cache] [--force-boot] [--pass-fds <string>] [--reset-nvram]',
  'managedsave <domain> [--bypass-cache] [--running] [--paused] [--verbose]',
  'managedsave-remove <domain>',
  'managedsave-define <domain> <xml> [--running] [--paused]',
  'save <domain> <file> [--bypass-cache] [--parallel-channels <number>] [--image-format <string>] [--xml <string>] [--running] [--paused] [--verbose]',
  'restore <file> [--bypass-cache] [--parallel-channels <number>] [--xml <string>] [--running] [--paused] [--reset-nvram]',
  'save-image-define <file> <xml> [--running] [--paused]',
  'backup-begin <domain> [<backupxml>] [--checkpointxml <string>] [--reuse-external]',
  'domjobabort <domain> [--postcopy]',
  'define <file> [--validate]',
  'suspend <domain>',
  'resume <domain>',
  'dumpxml <domain> [--inactive] [--security-info] [--update-cpu] [--migratable] [--xpath <string>] [--wrap]',
  'update-device <domain> <file> [--persistent] [--config] [--live] [--current] [--force]',
]

// Written against `virsh help COMMAND` of 11.3.0.
const cases: ReadonlyArray<readonly [string, LibvirtCall, string?]> = [
  [
    'blockcommit vm vda --base /base --top /a',
    { call: 'virDomainBlockCommit', arguments: { ...disk, base: '/base', top: '/a', bandwidth: 0 }, flags: [] },
  ],
  [
    'blockcommit vm vda --bandwidth 7 --shallow --active --keep-relative',
    {
      call: 'virDomainBlockCommit',
      arguments: { ...disk, base: null, top: null, bandwidth: 7 },
      flags: ['VIR_DOMAIN_BLOCK_COMMIT_SHALLOW', 'VIR_DOMAIN_BLOCK_COMMIT_ACTIVE', 'VIR_DOMAIN_BLOCK_COMMIT_RELATIVE'],
    },
  ],
  [
    'blockcommit vm vda --top /a --delete',
    {
      call: 'virDomainBlockCommit',
      arguments: { ...disk, base: null, top: '/a', bandwidth: 0 },
      flags: ['VIR_DOMAIN_BLOCK_COMMIT_DELETE'],
    },
  ],
  ['blockpull vm vda', { call: 'virDomainBlockPull', arguments: { ...disk, bandwidth: 0 }, flags: [] }],
  ['blockpull vm vda --bandwidth 3', { call: 'virDomainBlockPull', arguments: { ...disk, bandwidth: 3 }, flags: [] }],
  [
    'blockpull vm vda --base /base --keep-relative',
    {
      call: 'virDomainBlockRebase',
      arguments: { ...disk, base: '/base', bandwidth: 0 },
      flags: ['VIR_DOMAIN_BLOCK_REBASE_RELATIVE'],
    },
  ],
  [
    'blockcopy vm vda --dest /new --shallow --reuse-external --format raw --blockdev',
    {
      call: 'virDomainBlockRebase',
      arguments: { ...disk, base: '/new', bandwidth: 0 },
      flags: [
        'VIR_DOMAIN_BLOCK_REBASE_COPY',
        'VIR_DOMAIN_BLOCK_REBASE_SHALLOW',
        'VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT',
        'VIR_DOMAIN_BLOCK_REBASE_COPY_RAW',
        'VIR_DOMAIN_BLOCK_REBASE_COPY_DEV',
      ],
    },
  ],
  [
    'blockcopy vm vda --xml /dev/stdin --shallow --reuse-external --transient-job',
    {
      call: 'virDomainBlockCopy',
      arguments: { ...disk, destxml: xml },
      flags: [
        'VIR_DOMAIN_BLOCK_COPY_SHALLOW',
        'VIR_DOMAIN_BLOCK_COPY_REUSE_EXT',
        'VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB',
      ],
    },
    xmlText(xml),
  ],
  ['blockjob vm vda --abort', { call: 'virDomainBlockJobAbort', arguments: disk, flags: [] }],
  [
    'blockjob vm vda --pivot',
    { call: 'virDomainBlockJobAbort', arguments: disk, flags: ['VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT'] },
  ],
  [
    'blockjob vm vda --async',
    { call: 'virDomainBlockJobAbort', arguments: disk, flags: ['VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC'] },
  ],
  [
    'snapshot-create vm /dev/stdin --no-metadata --disk-only --reuse-external --atomic',
    {
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain: 'vm', xml },
      flags: [
        'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA',
        'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY',
        'VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT',
        'VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC',
      ],
    },
    xmlText(xml),
  ],
  [
    'snapshot-create vm /dev/stdin --redefine --current',
    {
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain: 'vm', xml },
      flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE', 'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'],
    },
    xmlText(xml),
  ],
  [
    'snapshot-create vm /dev/stdin --quiesce --live',
    {
      call: 'virDomainSnapshotCreateXML',
      arguments: { domain: 'vm', xml },
      flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE', 'VIR_DOMAIN_SNAPSHOT_CREATE_LIVE'],
    },
    xmlText(xml),
  ],
  ['snapshot-delete vm s1', { call: 'virDomainSnapshotDelete', arguments: snapshot, flags: [] }],
  [
    'snapshot-delete vm s1 --children --metadata',
    {
      call: 'virDomainSnapshotDelete',
      arguments: snapshot,
      flags: ['VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN', 'VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY'],
    },
  ],
  [
    'snapshot-delete vm s1 --children-only',
    {
      call: 'virDomainSnapshotDelete',
      arguments: snapshot,
      flags: ['VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY'],
    },
  ],
  [
    'snapshot-revert vm s1 --running --force',
    {
      call: 'virDomainRevertToSnapshot',
      arguments: snapshot,
      flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING', 'VIR_DOMAIN_SNAPSHOT_REVERT_FORCE'],
    },
  ],
  [
    'snapshot-revert vm --snapshotname -s --paused',
    {
      call: 'virDomainRevertToSnapshot',
      arguments: { domain: 'vm', snapshot: '-s' },
      flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED'],
    },
  ],
  ['snapshot-dumpxml vm s1', { call: 'virDomainSnapshotGetXMLDesc', arguments: snapshot, flags: [] }],
  ['domfsfreeze vm', { call: 'virDomainFSFreeze', arguments: { domain: 'vm' }, flags: [] }],
  ['domfsthaw vm', { call: 'virDomainFSThaw', arguments: { domain: 'vm' }, flags: [] }],
  ['destroy vm', { call: 'virDomainDestroyFlags', arguments: { domain: 'vm' }, flags: [] }],
  [
    'destroy vm --graceful',
    { call: 'virDomainDestroyFlags', arguments: { domain: 'vm' }, flags: ['VIR_DOMAIN_DESTROY_GRACEFUL'] },
  ],
  ['start vm', { call: 'virDomainCreateWithFlags', arguments: { domain: 'vm' }, flags: [] }],
  [
    'start vm --paused',
    { call: 'virDomainCreateWithFlags', arguments: { domain: 'vm' }, flags: ['VIR_DOMAIN_START_PAUSED'] },
  ],
  [
    'start vm --force-boot',
    { call: 'virDomainCreateWithFlags', arguments: { domain: 'vm' }, flags: ['VIR_DOMAIN_START_FORCE_BOOT'] },
  ],
  [
    'managedsave vm --bypass-cache --running',
    {
      call: 'virDomainManagedSave',
      arguments: { domain: 'vm' },
      flags: ['VIR_DOMAIN_SAVE_BYPASS_CACHE', 'VIR_DOMAIN_SAVE_RUNNING'],
    },
  ],
  ['managedsave-remove vm', { call: 'virDomainManagedSaveRemove', arguments: { domain: 'vm' }, flags: [] }],
  [
    'managedsave-define vm /dev/stdin --paused',
    { call: 'virDomainManagedSaveDefineXML', arguments: { domain: 'vm', xml }, flags: ['VIR_DOMAIN_SAVE_PAUSED'] },
    xmlText(xml),
  ],
  ['save vm /m', { call: 'virDomainSaveFlags', arguments: { domain: 'vm', path: '/m' }, flags: [] }],
  ['save vm --file -m', { call: 'virDomainSaveFlags', arguments: { domain: 'vm', path: '-m' }, flags: [] }],
  [
    'restore /m --paused',
    { call: 'virDomainRestoreFlags', arguments: { domain: 'vm', path: '/m' }, flags: ['VIR_DOMAIN_SAVE_PAUSED'] },
  ],
  [
    'save-image-define /m /dev/stdin',
    { call: 'virDomainSaveImageDefineXML', arguments: { domain: 'vm', path: '/m', xml }, flags: [] },
    xmlText(xml),
  ],
  [
    'backup-begin vm /dev/stdin --reuse-external',
    {
      call: 'virDomainBackupBegin',
      arguments: { domain: 'vm', xml },
      flags: ['VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL'],
    },
    xmlText(xml),
  ],
  [
    'backup-begin vm /dev/stdin',
    { call: 'virDomainBackupBegin', arguments: { domain: 'vm', xml }, flags: [] },
    xmlText(xml),
  ],
  ['domjobabort vm', { call: 'virDomainAbortJob', arguments: { domain: 'vm' }, flags: [] }],
  ['define /dev/stdin', { call: 'virDomainDefineXMLFlags', arguments: { domain: 'vm', xml }, flags: [] }, xmlText(xml)],
  ['suspend vm', { call: 'virDomainSuspend', arguments: { domain: 'vm' }, flags: [] }],
  ['resume vm', { call: 'virDomainResume', arguments: { domain: 'vm' }, flags: [] }],
  ['dumpxml vm', { call: 'virDomainGetXMLDesc', arguments: { domain: 'vm' }, flags: [] }],
  [
    'dumpxml vm --inactive',
    { call: 'virDomainGetXMLDesc', arguments: { domain: 'vm' }, flags: ['VIR_DOMAIN_XML_INACTIVE'] },
  ],
  [
    'update-device vm /dev/stdin --config',
    { call: 'virDomainUpdateDeviceFlags', arguments: { domain: 'vm', xml }, flags: ['VIR_DOMAIN_AFFECT_CONFIG'] },
    xmlText(xml),
  ],
]

describe('virshCommand', () => {
  it.each(cases.map(([words, call, stdin]) => [words, { call, stdin }] as const))('%s', (words, { call, stdin }) => {
    const argv = ['virsh', ...words.split(' ')]
    expect(virshCommand(call)).toEqual(stdin === undefined ? { argv } : { argv, stdin })
  })

  it('covers every function', () => expect(new Set(cases.map(([, { call }]) => call)).size).toBe(26))

  it('puts names with a leading dash where virsh takes them for names', () => {
    const { argv } = virshCommand({
      call: 'virDomainBlockJobAbort',
      arguments: { domain: '-x', disk: '-y' },
      flags: [],
    })
    expect(argv).toEqual(['virsh', 'blockjob', '--domain', '-x', '--path', '-y', '--abort'])
  })

  it('uses only options that virsh has, and gives a value to those that take one', () => {
    for (const [words, call] of cases) {
      const [command = '', ...rest] = virshCommand(call).argv.slice(1)
      const synopsis = synopses.find((one) => one.startsWith(`${command} `)) ?? ''
      for (const [index, option] of rest.entries()) {
        if (!option.startsWith('--')) continue
        const takesValue = synopsis.includes(`[${option} <`)
        if (synopsis.includes(`<${option.slice(2)}>`)) continue // the name of an argument is an option too
        expect(takesValue || synopsis.includes(`[${option}]`), `${words}: ${option}`).toBe(true)
        if (takesValue) expect(rest[index + 1], `${words}: ${option}`).toMatch(/^[^-]/)
      }
    }
  })
})

describe('virshLine', () => {
  it('quotes, and feeds XML through a pipe', () => {
    expect(virshLine({ call: 'virDomainSuspend', arguments: { domain: "my 'vm'" }, flags: [] })).toBe(
      "virsh suspend 'my '\\''vm'\\'''",
    )
    expect(virshLine({ call: 'virDomainUpdateDeviceFlags', arguments: { domain: 'vm', xml }, flags: [] })).toBe(
      `printf %s '<disk type="file"><source file="/it'\\''s"/></disk>' | virsh update-device vm /dev/stdin`,
    )
  })

  it('is the command, for a real shell', () => {
    for (const [, call] of cases) {
      const { argv, stdin } = virshCommand(call)
      const script = `virsh() { printf '%s\\0' virsh "$@"; ${stdin === undefined ? '' : 'cat;'} }; ${virshLine(call)}`
      const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
      expect(stdout).toBe(argv.map((word) => `${word}\0`).join('') + (stdin ?? ''))
    }
  })
})
