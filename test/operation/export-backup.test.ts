// The present of a running guest copied by backup jobs: the calls, what is assumed, and what is refused.

import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { capabilitiesOfVersions, checkMachinePlan, virshCommand } from '../../src/index.js'
import { decodeMachinePlan, encodeMachinePlan } from '../../src/codec/index.js'
import type { Image, MachineHost, MachinePlan, MachineRefusal, NewImage } from '../../src/index.js'
import type { ExportRequest } from '../../src/operation/machine-request.js'
import { cancelAlways } from '../../src/operation/dialect/qmp-backup.js'
import { exportByBackup } from '../../src/operation/export-backup.js'
import { backupPlan } from './backup.js'
import { builtFor, linesOf, pictures, throughLibvirt, throughQemuImg, throughQmp } from './expect-take.js'
import { vm } from './machine.js'
import { recordedQemus } from './schema.js'
import type { Vm } from './machine.js'

const of: Vm = {
  disks: { vda: 'a <- a.1^', vdb: 'b^' },
  snapshots: [{ name: 's', vda: 'a' }],
  current: 's',
}

const at = (name: string, more: Partial<NewImage> = {}): NewImage => ({
  name,
  location: { _tag: 'File', path: `/export/${name}` },
  format: 'qcow2',
  ...more,
})

const to = (...images: ReadonlyArray<readonly [string, NewImage]>): ExportRequest => ({ to: new Map(images) })

const asked = (request: ExportRequest, host: MachineHost, machine = builtFor(host, of).machine) =>
  backupPlan(machine, request, host)

const planned = (request: ExportRequest, host: MachineHost, machine?: Parameters<typeof asked>[2]): MachinePlan => {
  const plan = asked(request, host, machine)
  if (E.isLeft(plan)) throw new Error(JSON.stringify(plan.left))
  expect(checkMachinePlan(plan.right)).toStrictEqual([])
  expect(problemsOf(plan.right)).toStrictEqual([])
  expect(decodeMachinePlan(JSON.stringify(encodeMachinePlan(plan.right)))).toStrictEqual(plan)
  return plan.right
}

/** What QEMU 7.2 and 10.0 would have against the commands of a plan, by their own schemas. */
const problemsOf = ({ steps, finally: cleanups }: MachinePlan): ReadonlyArray<unknown> =>
  [...steps, ...cleanups.map(({ step }) => step)].flatMap(({ call }) =>
    call._tag === 'Qmp' ? recordedQemus.flatMap(({ problemsOfCommand }) => problemsOfCommand(call.command)) : [],
  )

const refused = (request: ExportRequest, host: MachineHost, machine?: Parameters<typeof asked>[2]): MachineRefusal => {
  const plan = asked(request, host, machine)
  if (E.isRight(plan)) throw new Error(`there is a plan: ${linesOf(plan.right).join('\n')}`)
  return plan.left
}

const both = to(['vda', at('x')], ['vdb', at('y')])

const commands = ({ steps }: Pick<MachinePlan, 'steps'>): ReadonlyArray<unknown> =>
  steps.map(({ call, disk }) => [disk ?? 'all', call._tag === 'Qmp' ? call.command : call])

describe('through a monitor', () => {
  const nodes = { format: 'x-format', storage: 'x-storage' }
  const one = to(['vda', at('x', { nodes })])

  it('makes the image, begins the job in a transaction, waits, and closes the image', () => {
    const plan = planned(one, throughQmp)
    const [, , , , , , begin] = plan.steps
    const actions = begin?.call._tag === 'Qmp' && begin.call.command.execute === 'transaction' ? begin.call : undefined
    const [first] = actions?.command.execute === 'transaction' ? actions.command.arguments.actions : []
    const job = first?.type === 'blockdev-backup' ? first.data['job-id'] : ''
    expect(job).toMatch(/^backup-[0-9a-f]{8}$/)
    const create = expect.stringMatching(/^create-[0-9a-f]{8}$/) as unknown
    expect(commands(plan)).toStrictEqual([
      [
        'vda',
        {
          execute: 'blockdev-create',
          arguments: { 'job-id': create, options: { driver: 'file', filename: '/export/x', size: 0 } },
        },
      ],
      ['vda', { execute: 'job-dismiss', arguments: { id: create } }],
      [
        'vda',
        {
          execute: 'blockdev-add',
          arguments: { driver: 'file', 'node-name': 'x-storage', filename: '/export/x', 'auto-read-only': true },
        },
      ],
      [
        'vda',
        {
          execute: 'blockdev-create',
          arguments: { 'job-id': create, options: { driver: 'qcow2', file: 'x-storage', size: 262144 } },
        },
      ],
      ['vda', { execute: 'job-dismiss', arguments: { id: create } }],
      [
        'vda',
        {
          execute: 'blockdev-add',
          arguments: { driver: 'qcow2', 'node-name': 'x-format', file: 'x-storage', backing: null },
        },
      ],
      [
        'all',
        {
          execute: 'transaction',
          arguments: {
            actions: [
              {
                type: 'blockdev-backup',
                data: { 'job-id': job, device: 'a.1-format', target: 'x-format', sync: 'full', 'auto-dismiss': false },
              },
            ],
          },
        },
      ],
      ['vda', { execute: 'query-jobs' }],
      ['vda', { execute: 'job-dismiss', arguments: { id: job } }],
      ['vda', { execute: 'blockdev-del', arguments: { 'node-name': 'x-format' } }],
      ['vda', { execute: 'blockdev-del', arguments: { 'node-name': 'x-storage' } }],
    ])
    expect(plan.steps[7]?.until).toStrictEqual({ _tag: 'QmpJob', job, status: 'concluded' })
    expect(plan.steps[6]?.until).toBe(undefined)
  })

  it('cancels what still runs, dismisses it and closes the images on every way out', () => {
    const plan = planned(one, throughQmp)
    const said = plan.finally.map(({ from, step: { call, until, failure } }) => [
      from,
      call._tag === 'Qmp' ? call.command : call,
      until?._tag,
      failure !== undefined,
    ])
    const [job, create] = [/^backup-/, /^create-/].map((id) => expect.stringMatching(id) as unknown)
    expect(said).toStrictEqual([
      [6, { execute: 'job-cancel', arguments: { id: job } }, 'QmpJob', true],
      [6, { execute: 'job-dismiss', arguments: { id: job } }, undefined, true],
      [0, { execute: 'job-dismiss', arguments: { id: create } }, undefined, true],
      [3, { execute: 'job-dismiss', arguments: { id: create } }, undefined, true],
      [5, { execute: 'blockdev-del', arguments: { 'node-name': 'x-format' } }, undefined, true],
      [2, { execute: 'blockdev-del', arguments: { 'node-name': 'x-storage' } }, undefined, true],
    ])
  })

  it('leaves nodes of other steps alone that those leave open', () => {
    const options = { driver: 'qcow2', 'node-name': 'o', file: 'o-storage' }
    const other = { call: { _tag: 'Qmp', command: { execute: 'blockdev-add', arguments: options } }, why: '' } as const
    const nodesIn = (drafts: Parameters<typeof cancelAlways>[0]) =>
      linesOf({ steps: cancelAlways(drafts).map(({ step }) => ({ ...step, disk: undefined, points: new Map() })) })
    const made = exportByBackup(builtFor(throughQmp, of).machine, one, throughQmp)
    const drafts = E.isRight(made) ? made.right.drafts : []
    expect(nodesIn([{ step: other }, ...drafts])).toStrictEqual(nodesIn(drafts))
    expect(cancelAlways([{ step: other }, ...drafts])[0]?.from).toBe(7)
    expect(nodesIn(drafts)).toHaveLength(6)
  })

  it('begins the jobs of all disks in one transaction', () => {
    const plan = planned(both, throughQmp)
    const begins = plan.steps.filter(({ call }) => call._tag === 'Qmp' && call.command.execute === 'transaction')
    expect(begins.map(({ disk }) => disk)).toStrictEqual([undefined])
    expect(linesOf({ steps: begins })[0]?.match(/blockdev-backup/g)).toHaveLength(2)
    expect(plan.requires).toStrictEqual(['qemu-blockdev-backup', 'qemu-blockdev', 'qemu-blockdev-create'])
  })

  it('fills an image that was made before', () => {
    const plan = planned(to(['vdb', at('y', { made: 'before', sizeBytes: 262144 })]), throughQmp)
    expect(linesOf(plan).join('\n')).not.toContain('blockdev-create')
    expect(plan.requires).toStrictEqual(['qemu-blockdev-backup', 'qemu-blockdev'])
    expect(plan.assumes[0]).toStrictEqual({
      _tag: 'OfDisk',
      disk: 'vdb',
      assumption: { _tag: 'MadeBefore', image: 'y', path: '/export/y' },
    })
  })

  it('makes a raw image as large as the disk', () => {
    const plan = planned(to(['vdb', at('y', { format: 'raw' })]), throughQmp)
    expect(linesOf(plan)[0]).toContain('"options":{"driver":"file","filename":"/export/y","size":262144}')
    expect(linesOf(plan)[3]).toContain('"driver":"raw"')
  })
})

describe('through libvirt', () => {
  const lineOf = ({ steps }: MachinePlan, index: number): unknown => {
    const call = steps[index]?.call
    return call?._tag === 'Libvirt' ? virshCommand(call.function) : call
  }
  const disk = (name: string, image: string, format = 'qcow2'): string =>
    `<disk name="${name}" backup="yes" type="file"><target file="/export/${image}"/><driver type="${format}"/></disk>`

  it('is one call, that waits for the job of every disk', () => {
    const plan = planned(to(['vda', at('x')], ['vdb', at('y', { format: 'raw' })]), throughLibvirt)
    expect(plan.steps).toHaveLength(1)
    expect(lineOf(plan, 0)).toStrictEqual({
      argv: ['virsh', 'backup-begin', 'vm', '/dev/stdin'],
      stdin: `<domainbackup mode="push"><disks>${disk('vda', 'x')}${disk('vdb', 'y', 'raw')}</disks></domainbackup>`,
    })
    expect(plan.steps[0]?.until).toStrictEqual({ _tag: 'LibvirtJobs', disks: ['vda', 'vdb'], status: 'completed' })
    expect(plan.steps[0]?.disk).toBe(undefined)
    expect([plan.requires, plan.finally]).toStrictEqual([['libvirt-backup'], []])
  })

  it('names no disk that is not copied', () => {
    const plan = planned(to(['vdb', at('y')]), throughLibvirt)
    expect(lineOf(plan, 0)).toMatchObject({
      stdin: `<domainbackup mode="push"><disks>${disk('vdb', 'y')}</disks></domainbackup>`,
    })
  })

  it('is handed all images where one has to be made otherwise than libvirt would', () => {
    const plan = planned(to(['vda', at('x', { clusterBytes: 131072 })], ['vdb', at('y')]), throughLibvirt)
    expect(linesOf(plan).slice(0, 2)).toStrictEqual([
      'qemu-img create -f qcow2 -u -o cluster_size=131072 /export/x 262144',
      'qemu-img create -f qcow2 -u /export/y 262144',
    ])
    expect(lineOf(plan, 2)).toMatchObject({ argv: ['virsh', 'backup-begin', 'vm', '/dev/stdin', '--reuse-external'] })
  })

  it('writes to a device by its type', () => {
    const device = at('x', { location: { _tag: 'BlockDevice', path: '/dev/x' }, format: 'raw', sizeBytes: 262144 })
    expect(lineOf(planned(to(['vda', device]), throughLibvirt), 0)).toMatchObject({
      argv: ['virsh', 'backup-begin', 'vm', '/dev/stdin'],
      stdin: expect.stringContaining('type="block"><target dev="/dev/x"/>') as unknown,
    })
  })
})

describe.each([
  ['a monitor', throughQmp],
  ['libvirt', throughLibvirt],
] as const)('through %s', (_, host) => {
  it('adds images that stand alone, beside chains and snapshots that stay', () => {
    const plan = planned(both, host)
    expect(pictures(plan.after)).toStrictEqual({ vda: 'a <- a.1^; x', vdb: 'b^; y' })
    expect(plan.after.snapshots).toBe(plan.before.snapshots)
    expect(plan.after.disks.get('vda')?.images.get('x')).toMatchObject({
      sizeBytes: 262144,
      backing: undefined,
      node: undefined,
    })
    expect(plan.parts.map(({ contents }) => contents)).toStrictEqual([
      [{ image: 'x', span: ['a', 'a.1'], sizeBytes: 262144 }],
      [{ image: 'y', span: ['b'], sizeBytes: 262144 }],
    ])
    expect(plan.parts.map(({ fates }) => Object.fromEntries(fates))).toStrictEqual([
      { a: ['kept'], 'a.1': ['kept'], x: ['created'] },
      { b: ['kept'], y: ['created'] },
    ])
    expect(plan.assumes).toStrictEqual(
      (
        [
          ['vda', 'x'],
          ['vdb', 'y'],
        ] as const
      ).flatMap(([disk, image]) => [
        { _tag: 'OfDisk', disk, assumption: { _tag: 'NothingAt', path: `/export/${image}` } },
        { _tag: 'OfDisk', disk, assumption: { _tag: 'RoomFor', image, sizeBytes: 262144 } },
      ]),
    )
  })

  it('leaves a disk alone that is not named', () => {
    const plan = planned(to(['vdb', at('y')]), host)
    expect(pictures(plan.after)).toStrictEqual({ vda: 'a <- a.1^', vdb: 'b^; y' })
    expect(plan.parts).toHaveLength(1)
  })

  const paused = builtFor(host, { ...of, state: 'paused' }).machine
  it('copies a guest that is paused', () => {
    expect(planned(both, host, paused).steps.length).toBeGreaterThan(0)
  })

  const job = (kind: 'backup' | 'copy' | 'pull', disk = 'vda'): MachineHost => ({
    ...host,
    jobs: new Map([[disk, [{ id: 'j', kind, images: ['b'] }]]]),
  })
  const off = builtFor(host, of).machine
  const other = (name: string): NewImage => at(name, { location: { _tag: 'File', path: '/images/a' } })

  it.each<readonly [string, ExportRequest, Partial<MachineHost>, string]>([
    ['nothing', to(), {}, 'NothingSelected'],
    ['a disk that is not there', to(['vdz', at('x')]), {}, 'DiskNotFound'],
    [
      'versions that are too old',
      both,
      { capabilities: capabilitiesOfVersions({ qemu: '2.11', libvirt: '7.1.0' }) },
      'CapabilityMissing',
    ],
    ['a disk with a copy', both, job('copy'), 'JobActive'],
    ['a disk with a pull', both, job('pull'), 'JobActive'],
    ['the path of an image', to(['vdb', other('x')]), {}, 'PathTaken'],
    ['one path twice', to(['vda', at('x')], ['vdb', { ...at('y'), location: at('x').location }]), {}, 'PathTaken'],
    [
      'one path twice, spelled otherwise',
      to(
        ['vda', at('x', { location: { _tag: 'File', path: '/export/./x' } })],
        ['vdb', { ...at('y'), location: at('x').location }],
      ),
      {},
      'PathTaken',
    ],
    ['a path that is reserved', { ...both, reserved: ['/export//y'] }, {}, 'PathTaken'],
    ['the name of an image', to(['vda', { ...at('z'), name: 'a' }]), {}, 'DiskRefused NameTaken'],
    ['a file that is there', to(['vda', at('x', { found: 'something' })]), {}, 'DiskRefused DestinationWrong'],
    ['another size', to(['vda', at('x', { sizeBytes: 512 })]), {}, 'DiskRefused DestinationWrong'],
    ['a format that is not made', to(['vda', at('x', { format: 'qed' })]), {}, 'DiskRefused DestinationWrong'],
    ['a backing string', to(['vda', at('x', { header: 'a' })]), {}, 'DiskRefused DestinationWrong'],
    [
      'a relative path',
      to(['vda', at('x', { location: { _tag: 'File', path: 'x' } })]),
      {},
      'DiskRefused DestinationWrong',
    ],
  ])('refuses %s', (_what, request, change, reason) => {
    const refusal = refused(request, { ...host, ...change }, off)
    const said = refusal._tag === 'DiskRefused' ? `DiskRefused ${refusal.refusal._tag}` : refusal._tag
    expect(said).toBe(reason)
  })

  it('does not mind a copy of another disk', () => {
    expect(planned(to(['vdb', at('y')]), job('copy')).parts).toHaveLength(1)
  })

  it('refuses an image that somebody has open at the new path', () => {
    const held = { image: 'x', by: { _tag: 'Tool', name: 'somebody' }, access: 'read' } as const
    const refusal = refused(to(['vda', at('x')]), { ...host, opened: new Map([['vda', [held]]]) })
    expect(refusal).toMatchObject({ _tag: 'DiskRefused', disk: 'vda', refusal: { _tag: 'ImageOpen', image: 'x' } })
  })

  it('refuses to decrypt without being told to', () => {
    const encryption: Partial<Image> = { encryption: 'luks' }
    const { machine } = builtFor(host, { ...of, images: { a: encryption } })
    expect(refused(both, host, machine)).toMatchObject({
      _tag: 'DiskRefused',
      refusal: { _tag: 'PlaintextLeak', from: ['a'], to: 'x' },
    })
    expect(planned({ ...both, accept: ['PlaintextLeak'] }, host, machine).parts).toHaveLength(2)
  })
})

it('minds a backup of another disk through libvirt alone', () => {
  const jobs: MachineHost['jobs'] = new Map([['vda', [{ id: 'j', kind: 'backup', images: ['a.1'] }]]])
  const one = to(['vdb', at('y')])
  expect(refused(one, { ...throughLibvirt, jobs })).toMatchObject({ _tag: 'JobActive', disk: 'vda', kind: 'backup' })
  expect(planned(one, { ...throughQmp, jobs }).parts).toHaveLength(1)
})

it.each([throughQemuImg, throughLibvirt])('refuses a guest that is shut off', (host) => {
  const { machine } = vm({ ...of, state: 'shut-off', ...(host.via === 'libvirt' ? {} : { records: 'none' }) })
  expect(refused(both, host, machine)).toMatchObject({
    _tag: 'GuestStateWrong',
    via: host.via,
    guest: 'shut-off',
    needs: ['running', 'paused'],
  })
})

it('refuses ways that are not for the machine', () => {
  const { machine: managed } = builtFor(throughLibvirt, of)
  const { machine: free } = builtFor(throughQmp, of)
  expect(refused(both, throughQmp, managed)).toMatchObject({ _tag: 'NotThisWay', via: 'qmp' })
  expect(refused(both, throughLibvirt, free)).toMatchObject({ _tag: 'NotThisWay', via: 'libvirt' })
  expect(refused(both, throughQemuImg, free)).toMatchObject({ _tag: 'GuestStateWrong', via: 'qemu-img' })
})

it('refuses node names that are taken by another disk, or given twice', () => {
  const nodes = (format: string, storage: string) => ({ nodes: { format, storage } })
  const taken = to(['vda', at('x', nodes('b-format', 'x-s'))])
  expect(refused(taken, throughQmp)).toMatchObject({ refusal: { _tag: 'NameTaken', name: 'b-format', by: 'node' } })
  const twice = to(['vda', at('x', nodes('x', 'x-s'))], ['vdb', at('y', nodes('y', 'x-s'))])
  expect(refused(twice, throughQmp)).toMatchObject({ disk: 'vdb', refusal: { _tag: 'NameTaken', name: 'x-s' } })
})

it('refuses a disk of whose active image nobody knows the node', () => {
  const { machine } = vm({ ...of, records: 'none' })
  expect(refused(both, throughQmp, machine)).toMatchObject({ refusal: { _tag: 'NodeUnknown', image: 'a.1' } })
})
