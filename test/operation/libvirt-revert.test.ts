import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { withImages } from '../../src/model/chain.js'
import { withMachine } from '../../src/model/machine.js'
import type { Machine } from '../../src/model/machine.js'
import { sourcesOfDomain, withChildren } from '../../src/model/record.js'
import { element } from '../../src/model/xml.js'
import { predictRevert } from '../../src/operation/libvirt-revert.js'
import type { LibvirtRevert } from '../../src/operation/libvirt-revert.js'
import type { LibvirtRevertRequest } from '../../src/operation/libvirt-revert-guard.js'
import { changesOfRevert, lossesOfRevert, pointsAfterRevert } from '../../src/operation/libvirt-revert-loss.js'

import { file, lossText, pointsText, recordsText, refusalText } from './libvirt-text.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const plain: LibvirtRevertRequest = { flags: [], seconds: 17 }
const running: LibvirtRevertRequest = { flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING'], seconds: 17 }

const reverted = (machine: Machine, to: string, request: LibvirtRevertRequest = plain): LibvirtRevert => {
  const found = predictRevert(machine, to, request)
  if (E.isLeft(found)) throw new Error(refusalText(found.left))
  return found.right
}

const refused = (of: Vm, to: string, request: LibvirtRevertRequest = plain): string => {
  const found = predictRevert(vm(of).machine, to, request)
  return E.isLeft(found) ? `${refusalText(found.left)} (${found.left.guest})` : 'no refusal'
}

interface Expected {
  readonly overlays: ReadonlyArray<string>
  readonly unlinked: ReadonlyArray<string>
  readonly records: ReadonlyArray<string>
  readonly lost: ReadonlyArray<string>
}

const overlaysText = ({ overlays }: LibvirtRevert): ReadonlyArray<string> =>
  overlays.map(({ disk, path, backing }) => `${disk}: ${file(path)} on ${file(backing)}`)

const lossesText = (machine: Machine, revert: LibvirtRevert): ReadonlyArray<string> =>
  lossesOfRevert(machine, revert).map(lossText)

const expectRevert = (of: Vm, to: string, expected: Expected): LibvirtRevert => {
  const { machine } = vm(of)
  const revert = reverted(machine, to)
  expect(overlaysText(revert)).toStrictEqual(expected.overlays)
  expect(revert.unlinked.map(file)).toStrictEqual(expected.unlinked)
  expect(recordsText(revert)).toStrictEqual(expected.records)
  expect(lossesText(machine, revert)).toStrictEqual(expected.lost)
  return revert
}

const definitionText = ({ definition }: LibvirtRevert): ReadonlyArray<string> =>
  Array.from(
    sourcesOfDomain(definition),
    ([disk, { path, below }]) => `${disk}=${[path, ...below.map((one) => one.path)].map(file).join(' -> ')}`,
  )

const three: Vm = {
  disks: { vda: 'v <- v.s1 <- v.s2 <- v.s3^' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.s1' },
    { name: 's3', parent: 's2', vda: 'v.s2' },
  ],
  current: 's3',
}

describe('a chain of three', () => {
  it('V01: to the middle: a fresh overlay, noted down, and the present is unlinked', () => {
    const revert = expectRevert(three, 's2', {
      overlays: ['vda: v.17 on v.s1'],
      unlinked: ['v.s3'],
      records: [
        's1: vda=v.s1 | vda=v',
        's2 of s1: vda=v.s2 | reverted vda=v.17 | vda=v.s1 -> v',
        's3 of s2: vda=v.s3 | vda=v.s2 -> v.s1 -> v',
        'current: s2',
      ],
      lost: ['data on vda in v.s3'],
    })
    expect(definitionText(revert)).toStrictEqual(['vda=v.17 -> v.s1 -> v'])
    expect(revert.guest).toBe('shut-off')
  })

  it('V02: to the oldest: what later snapshots need stays', () => {
    expectRevert(three, 's1', {
      overlays: ['vda: v.17 on v'],
      unlinked: ['v.s3'],
      records: [
        's1: vda=v.s1 | reverted vda=v.17 | vda=v',
        's2 of s1: vda=v.s2 | vda=v.s1 -> v',
        's3 of s2: vda=v.s3 | vda=v.s2 -> v.s1 -> v',
        'current: s1',
      ],
      lost: ['data on vda in v.s3'],
    })
  })

  it('V04: to the leaf: the fresh overlay takes the place of the old one', () => {
    const revert = expectRevert(three, 's3', {
      overlays: ['vda: v.17 on v.s2'],
      unlinked: ['v.s3'],
      records: [
        's1: vda=v.s1 | vda=v',
        's2 of s1: vda=v.s2 | vda=v.s1 -> v',
        's3 of s2: vda=v.17 | vda=v.s2 -> v.s1 -> v',
        'current: s3',
      ],
      lost: ['data on vda in v.s3'],
    })
    expect(pointsText(pointsAfterRevert(vm(three).machine, revert))).toStrictEqual([
      's1: vda v',
      's2: vda v.s1',
      's3: vda v.s2',
    ])
  })

  it('stores no chain in the definition where the snapshot had stored none', () => {
    const off: Vm = {
      disks: { vda: 'v <- v.s1 <- v.s2^' },
      state: 'shut-off',
      snapshots: [
        { name: 's1', state: 'shutoff', vda: 'v' },
        { name: 's2', parent: 's1', state: 'shutoff', vda: 'v.s1' },
      ],
      current: 's2',
    }
    expect(definitionText(reverted(vm(off).machine, 's2'))).toStrictEqual(['vda=v.17'])
  })

  it('replaces only the last suffix, and none of a folder', () => {
    const named: Vm = {
      disks: { vda: '"v.1.img" <- "v.1.s1"^' },
      snapshots: [{ name: 's1', vda: 'v.1.img' }],
      current: 's1',
    }
    expect(overlaysText(reverted(vm(named).machine, 's1'))).toStrictEqual(['vda: v.1.17 on v.1.img'])
    const folder: Vm = {
      disks: { vda: '"a.b/v" <- "a.b/v.s1"^' },
      snapshots: [{ name: 's1', vda: 'a.b/v' }],
      current: 's1',
    }
    expect(overlaysText(reverted(vm(folder).machine, 's1'))).toStrictEqual(['vda: a.b/v.17 on a.b/v'])
  })
})

describe('what the guest does', () => {
  const states: ReadonlyArray<readonly ['running' | 'paused' | 'shutoff' | 'disk-snapshot', string]> = [
    ['running', 'running running paused'],
    ['paused', 'paused running paused'],
    ['shutoff', 'shut-off running paused'],
    ['disk-snapshot', 'shut-off running paused'],
  ]
  it.each(states)('of a snapshot that is %s', (state, expected) => {
    const memory = { _tag: 'External', path: '/images/mem' } as const
    const live = state === 'running' || state === 'paused'
    const { machine } = vm({
      disks: { vda: 'v <- v.s1^' },
      snapshots: [{ name: 's1', state, vda: 'v', ...(live ? { memory } : {}) }],
      current: 's1',
    })
    const paused: LibvirtRevertRequest = { ...plain, flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED'] }
    const all = [plain, running, paused].map((request) => reverted(machine, 's1', request))
    expect(all.map(({ guest }) => guest).join(' ')).toBe(expected)
    expect(all.map((one) => one.memory)).toStrictEqual(
      Array.from({ length: 3 }, () => (live ? '/images/mem' : undefined)),
    )
    expect(definitionText(reverted(machine, 's1'))).toStrictEqual([live ? 'vda=v.17 -> v' : 'vda=v.17'])
  })
})

/** After `revert s2`, `take s4`, `delete s4`: s2 still names v.s2, which is the point in time of s3. */
const fork: Vm = {
  disks: { vda: 'v <- v.s1 <- (v.s2, v.16^)' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.s1', record: { disks: { vda: 'v.s2' } } },
    { name: 's3', parent: 's2', vda: 'v.s2', record: { disks: { vda: 'v.s3' } } },
  ],
  current: 's2',
}

it('makes overlays for the disks of the definition that is used: the live one where memory is loaded', () => {
  const memory = { _tag: 'External', path: '/images/mem' } as const
  const of = (state: 'running' | 'disk-snapshot'): ReadonlyArray<string> => {
    const snapshot = { name: 's1', state, vda: 'v', ...(state === 'running' ? { memory } : {}) }
    const { machine } = vm({ disks: { vda: 'v <- v.s1^' }, snapshots: [snapshot], current: 's1' })
    const [s1] = machine.snapshots.values()
    if (s1?.recorded === undefined) throw new Error('no s1')
    const recorded = withChildren(s1.recorded, 'inactiveDomain', () => element('inactiveDomain'))
    return overlaysText(reverted(withMachine(machine, { snapshots: new Map([[s1.name, { ...s1, recorded }]]) }), 's1'))
  }
  expect(of('running')).toStrictEqual(['vda: v.17 on v'])
  expect(of('disk-snapshot')).toStrictEqual([])
})

describe('what libvirt loses', () => {
  it('B09: revert s2, take s4, delete s4, revert s3: the point in time of s3 itself', () => {
    const revert = expectRevert(fork, 's3', {
      overlays: ['vda: v.17 on v.s2'],
      unlinked: ['v.s2'],
      records: [
        's1: vda=v.s1 | vda=v',
        's2 of s1: vda=v.s2 | vda=v.s1 -> v',
        's3 of s2: vda=v.17 | vda=v.s2 -> v.s1 -> v',
        'current: s3',
      ],
      lost: ['s3 on vda in v.s2'],
    })
    const { machine } = vm(fork)
    expect(pointsText(pointsAfterRevert(machine, revert))).toStrictEqual(['s1: vda v', 's2: vda v.s1', 's3: vda lost'])
    expect(changesOfRevert(machine, revert).leaked).toStrictEqual([{ disk: 'vda', image: 'v.16' }])
  })

  it('B09: back to s2 from there loses s3 as well', () => {
    const { machine } = vm(fork)
    expect(lossesText(machine, reverted(machine, 's2'))).toStrictEqual(['s3 on vda in v.s2'])
  })

  it('B09: what lies on it is lost too', () => {
    const deeper: Vm = {
      ...fork,
      disks: { vda: 'v <- v.s1 <- (v.s2 <- v.s3, v.16^)' },
      snapshots: [
        ...(fork.snapshots ?? []),
        { name: 's5', parent: 's3', vda: 'v.s3', record: { disks: { vda: 'v.s5' } } },
      ],
    }
    const { machine } = vm(deeper)
    expect(lossesText(machine, reverted(machine, 's1'))).toStrictEqual(['s3 on vda in v.s2', 's5 on vda in v.s3'])
  })

  it('B01, X05: what the last revert noted down is unlinked instead, where it is still there', () => {
    const noted: Vm = {
      ...fork,
      snapshots: (fork.snapshots ?? []).map((one) =>
        one.name === 's2' ? { ...one, record: { disks: { vda: 'v.s2' }, revertDisks: { vda: 'v.16' } } } : one,
      ),
    }
    expectRevert(noted, 's3', {
      overlays: ['vda: v.17 on v.s2'],
      unlinked: ['v.16'],
      records: [
        's1: vda=v.s1 | vda=v',
        's2 of s1: vda=v.s2 | vda=v.s1 -> v',
        's3 of s2: vda=v.17 | vda=v.s2 -> v.s1 -> v',
        'current: s3',
      ],
      lost: ['data on vda in v.16'],
    })
  })

  it('B13: after a pull of everything the active image alone has the present, and goes', () => {
    const pulled: Vm = {
      ...three,
      disks: { vda: 'v <- v.s1 <- v.s2; v.s3^' },
      snapshots: (three.snapshots ?? []).map((one) =>
        one.name === 's3' ? { ...one, record: { disks: { vda: 'v.s3' } } } : one,
      ),
    }
    const { machine } = vm(pulled)
    expect(lossesText(machine, reverted(machine, 's2'))).toStrictEqual(['data on vda in v.s3'])
  })

  it('B14: after a copy the stale overlay goes and the copy is leaked', () => {
    const copied: Vm = {
      ...three,
      disks: { vda: 'v <- v.s1 <- v.s2 <- v.s3; copy^' },
      snapshots: (three.snapshots ?? []).map((one) =>
        one.name === 's3' ? { ...one, record: { disks: { vda: 'v.s3' } } } : one,
      ),
    }
    const { machine } = vm(copied)
    const revert = reverted(machine, 's3')
    expect(lossesText(machine, revert)).toStrictEqual(['data on vda in v.s3'])
    expect(changesOfRevert(machine, revert).leaked).toStrictEqual([{ disk: 'vda', image: 'copy' }])
  })

  it('B11: to a snapshot whose image a commit by hand has changed: no check, another image', () => {
    const wrong: Vm = {
      disks: { vda: 'v <- v.s2^' },
      snapshots: [
        { name: 's1', vda: 'lost', record: { domain: { vda: 'v' }, disks: { vda: 'v.s1' } } },
        { name: 's2', parent: 's1', vda: 'v', record: { domain: { vda: 'v' } } },
      ],
      current: 's2',
    }
    const { machine } = vm(wrong)
    expect(overlaysText(reverted(machine, 's1'))).toStrictEqual(['vda: v.17 on v'])
    const other: Vm = {
      ...wrong,
      disks: { vda: 'v <- v.s1 <- v.s2^' },
      snapshots: [{ name: 's1', vda: 'v.s1', record: { domain: { vda: 'v' }, disks: { vda: 'v.s2' } } }],
      current: 's1',
    }
    expect(changesOfRevert(vm(other).machine, reverted(vm(other).machine, 's1')).elsewhere).toStrictEqual(['vda'])
  })

  it('W03: a disk that was left out gets an overlay on whatever the record names', () => {
    const subset: Vm = {
      disks: { vda: 'v <- v.s1^', vdb: 'w^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'no' }],
      current: 's1',
    }
    const { machine } = vm(subset)
    const revert = expectRevert(subset, 's1', {
      overlays: ['vda: v.17 on v', 'vdb: w.17 on w'],
      unlinked: ['v.s1'],
      records: ['s1: vda=v.17 vdb=w.17 | vda=v vdb=w', 'current: s1'],
      lost: ['data on vda in v.s1'],
    })
    expect(changesOfRevert(machine, revert)).toStrictEqual({
      leaked: [],
      overlaid: ['vdb'],
      elsewhere: [],
      back: [],
      gone: [],
      definition: 'as it was',
    })
  })

  it('X04: an empty drive is left out of the list', () => {
    const { machine } = vm({ disks: { vda: 'v <- v.s1^' }, snapshots: [{ name: 's1', vda: 'v' }], current: 's1' })
    const [s1] = machine.snapshots.values()
    if (s1?.recorded === undefined) throw new Error('no s1')
    const drive = element('disk', { type: 'file', device: 'cdrom' }, [element('target', { dev: 'hdc', bus: 'ide' })])
    const withDrive = (name: 'domain' | 'inactiveDomain') => (record: typeof s1.recorded & object) =>
      withChildren(record, name, (domain) =>
        withChildren(domain, 'devices', (devices) => ({ ...devices, children: [...devices.children, drive] })),
      )
    const recorded = withDrive('inactiveDomain')(withDrive('domain')(s1.recorded))
    const changed = withMachine(machine, { snapshots: new Map([[s1.name, { ...s1, recorded }]]) })
    const revert = reverted(changed, 's1')
    expect(recordsText(revert)[0]).toBe('s1: vda=v.17 hdc=no | vda=v hdc=nothing')
    expect(changesOfRevert(changed, revert).back).toStrictEqual(['hdc'])
  })

  it('U09: a disk that was detached comes back; one that was attached goes, and is leaked', () => {
    const changed: Vm = {
      disks: { vda: 'v <- v.s1^', vdc: 'x^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'w' }],
      current: 's1',
    }
    const { machine } = vm(changed)
    const revert = reverted(machine, 's1')
    expect(overlaysText(revert)).toStrictEqual(['vda: v.17 on v', 'vdb: w.17 on w'])
    expect(changesOfRevert(machine, revert)).toMatchObject({
      back: ['vdb'],
      gone: ['vdc'],
      leaked: [{ disk: 'vdc', image: 'x' }],
    })
  })

  it('the whole definition comes back', () => {
    const { machine } = vm(three)
    const persistent = machine.definitions?.persistent
    if (persistent === undefined) throw new Error('no definition')
    const more = { ...persistent, children: [...persistent.children, element('title', {}, ['new'])] }
    const changed = withMachine(machine, { definitions: { persistent: more, live: machine.definitions?.live } })
    expect(changesOfRevert(changed, reverted(changed, 's2')).definition).toBe('changed')
    expect(changesOfRevert(machine, reverted(machine, 's2')).definition).toBe('as it was')
  })
})

describe('internal snapshots', () => {
  const inside: Vm = {
    disks: { vda: 'v^' },
    state: 'shut-off',
    snapshots: [
      { name: 'i1', state: 'shutoff', vda: 'inside v' },
      { name: 'i2', parent: 'i1', state: 'shutoff', vda: 'inside v' },
    ],
    current: 'i2',
  }

  it('N06: is restored in its image; nothing but the present is lost', () => {
    const revert = expectRevert(inside, 'i1', {
      overlays: [],
      unlinked: [],
      records: ['i1: vda=internal | vda=v', 'i2 of i1: vda=internal | vda=v', 'current: i1'],
      lost: ['data on vda in v'],
    })
    expect(revert.inside).toStrictEqual([{ disk: 'vda', path: '/images/v' }])
    expect(definitionText(revert)).toStrictEqual(['vda=v'])
  })

  it('T06: below an overlay: the point in time of the external one is overwritten, and its overlay leaked', () => {
    const below: Vm = {
      disks: { vda: 'v <- v.s2^' },
      snapshots: [
        { name: 'i1', state: 'shutoff', vda: 'inside v' },
        { name: 's2', parent: 'i1', vda: 'v' },
      ],
      current: 's2',
    }
    const { machine } = vm(below)
    const revert = reverted(machine, 'i1')
    expect(lossesText(machine, revert)).toStrictEqual(['s2 on vda in v', 'data on vda in v.s2'])
    expect(changesOfRevert(machine, revert).leaked).toStrictEqual([{ disk: 'vda', image: 'v.s2' }])
    expect(pointsText(pointsAfterRevert(machine, revert))).toStrictEqual(['i1: vda v', 's2: vda lost'])
  })

  it('U10: away from an internal one nothing is unlinked', () => {
    const back: Vm = {
      disks: { vda: 'v <- (v.s2, v.3^)' },
      snapshots: [
        { name: 's2', vda: 'v', record: { disks: { vda: 'v.s2' } } },
        { name: 'i3', parent: 's2', state: 'running', memory: { _tag: 'Internal' }, vda: 'inside v.3' },
      ],
      current: 'i3',
    }
    const { machine } = vm(back)
    const revert = reverted(machine, 's2')
    expect(revert.unlinked).toStrictEqual([])
    expect(lossesText(machine, revert)).toStrictEqual([])
    expect(changesOfRevert(machine, revert).leaked).toStrictEqual([])
  })
})

describe('refusals, in the words of libvirt 11.3', () => {
  const job = { id: 'commit-vda', kind: 'commit' as const, images: ['v'] }

  it('R0: no record', () => {
    expect(refused({ ...three, records: 'none' }, 's1')).toBe(
      "R0: Domain snapshot not found: no domain snapshot with matching name 's1' (running)",
    )
  })

  it('R1: a block job', () => {
    expect(refused(three, 's1', { ...plain, jobs: new Map([['vda', [job]]]) })).toBe(
      'R1: Requested operation is not valid: domain has active block job (running)',
    )
  })

  it('R2: a record without a definition', () => {
    const { machine } = vm(three)
    const [s1] = machine.snapshots.values()
    if (s1?.recorded === undefined) throw new Error('no s1')
    const recorded = withChildren(s1.recorded, 'domain', () => undefined)
    const changed = withMachine(machine, { snapshots: new Map([[s1.name, { ...s1, recorded }]]), current: s1.name })
    const found = predictRevert(changed, 's1', plain)
    expect(E.isLeft(found) ? refusalText(found.left) : '').toBe(
      "R2: revert requires force: snapshot 's1' lacks domain 'vm' rollback info",
    )
  })

  it('R3: a managed save, unless the snapshot has memory or it is forced', () => {
    const saved: LibvirtRevertRequest = { ...plain, managedSave: 'present' }
    expect(refused({ ...three, state: 'shut-off' }, 's1', saved)).toBe(
      'R3: revert requires force: snapshot without memory state, removal of existing managed saved state ' +
        'strongly recommended to avoid corruption (shut-off)',
    )
    const forced: LibvirtRevertRequest = { ...saved, flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_FORCE'] }
    expect(refused({ ...three, state: 'shut-off' }, 's1', forced)).toBe('no refusal')
    const memory = { _tag: 'External', path: '/images/mem' } as const
    const live: Vm = {
      disks: { vda: 'v <- v.s1^' },
      snapshots: [{ name: 's1', state: 'running', memory, vda: 'v' }],
      current: 's1',
    }
    expect(refused(live, 's1', saved)).toBe('no refusal')
  })

  it('R4: a transient domain that would be shut off', () => {
    const transient: Vm = { ...three, persistence: 'transient' }
    expect(refused(transient, 's1')).toBe(
      'R4: Requested operation is not valid: transient domain needs to request run or pause to revert to inactive snapshot (running)',
    )
    expect(refused(transient, 's1', running)).toBe('no refusal')
  })

  it('R5 (W09): a second revert within one second, with the guest already stopped', () => {
    const again: Vm = { ...fork, disks: { vda: 'v <- v.s1 <- (v.s2, v.17^)' } }
    expect(refused(again, 's1')).toBe(
      'R5: unsupported configuration: external snapshot file for disk vda already exists and is not a block device: /images/v.17 (shut-off)',
    )
    expect(refused(again, 's1', { ...plain, seconds: 18 })).toBe('no refusal')
    expect(refused(three, 's1', { ...plain, taken: ['/images/v.17'] }).slice(0, 3)).toBe('R5:')
  })

  it('R5 (W04): something is there that is no regular file', () => {
    const irregular = ['/images/v.17']
    const text =
      "R5: unsupported configuration: mismatch between configured type for snapshot disk 'vda' and the type of existing file " +
      "'/images/v.17' (shut-off)"
    expect(refused(three, 's1', { ...plain, irregular: ['/images/./v.17'] })).toBe(text)
    expect(refused(three, 's1', { ...plain, irregular, taken: irregular })).toBe(text)
    expect(refused(three, 's1', { ...plain, irregular: ['/images/w.17'] })).toBe('no refusal')
  })

  it('R5 (X01): two disks whose names differ in the suffix alone', () => {
    const same: Vm = {
      disks: { vda: 'v.a <- v.1^', vdb: 'v.b <- v.2^' },
      snapshots: [{ name: 's1', vda: 'v.a', vdb: 'v.b' }],
      current: 's1',
    }
    expect(refused(same, 's1')).toBe(
      "R5: unsupported configuration: cannot generate external snapshot name for disk 'vdb': collision with disk 'vda' (shut-off)",
    )
  })

  it('R6 (B11, W04): the file is gone, or no regular file', () => {
    const gone: Vm = {
      disks: { vda: 'v <- v.s2^' },
      snapshots: [{ name: 's1', vda: 'lost', record: { domain: { vda: 'v <- v.s1' } } }],
      current: 's1',
    }
    const text =
      "R6: unsupported configuration: source for disk 'vda' is not a regular file; " +
      'refusing to generate external snapshot name (shut-off)'
    expect(refused(gone, 's1')).toBe(text)
    const device: Vm = { ...three, images: { v: { location: { _tag: 'BlockDevice', path: '/images/v' } } } }
    expect(refused(device, 's1')).toBe(text)
  })

  it('R7 (K04, K07): an internal snapshot of an image with bitmaps', () => {
    const bitmaps = [{ name: 'c1', granularityBytes: 65536, state: 'recording' as const }]
    const inside: Vm = {
      disks: { vda: 'v^' },
      images: { v: { bitmaps, internalSnapshots: [{ id: '1', name: 'i1', vmStateBytes: 1 }] } },
      snapshots: [{ name: 'i1', state: 'shutoff', vda: 'inside v' }],
      current: 'i1',
    }
    expect(refused(inside, 'i1')).toBe('R7: An error occurred, but the cause is unknown (shut-off)')
    const live: Vm = {
      ...inside,
      snapshots: [{ name: 'i1', state: 'running', memory: { _tag: 'Internal' }, vda: 'inside v' }],
    }
    const text = (node: string): string =>
      `R7: operation failed: load of internal snapshot 'i1' job failed: Could not load snapshot 'i1' on '${node}': ` +
      'Device has active dirty bitmaps (shut-off)'
    expect(refused(live, 'i1')).toBe(text('libvirt-1-format'))
    const [i1] = live.snapshots ?? []
    const two: Vm = { ...live, disks: { ...live.disks, vdb: 'w^' }, snapshots: i1 ? [{ ...i1, vdb: 'inside w' }] : [] }
    expect(refused(two, 'i1')).toBe(text('libvirt-2-format'))
  })

  it('R7 (X04): an internal snapshot whose image has gone, or does not have it any more', () => {
    const saidOf = (state: 'running' | 'shutoff', kept: { id: string; name: string }, at = 'v'): string => {
      const memory = state === 'running' ? { memory: { _tag: 'Internal' } as const } : {}
      const { machine } = vm({
        disks: { vda: 'v^' },
        images: { v: { internalSnapshots: [{ id: '1', name: 'i1', vmStateBytes: 1 }] } },
        snapshots: [{ name: 'i1', state, vda: 'inside v', ...memory, record: { domain: { vda: at } } }],
        current: 'i1',
      })
      const disks = new Map(
        Array.from(machine.disks, ([disk, chain]) => {
          const images = Array.from(chain.images, ([name, image]) => {
            const internalSnapshots = [{ ...kept, vmStateBytes: 1 }]
            return [name, { ...image, internalSnapshots }] as const
          })
          return [disk, withImages(chain, new Map(images), chain.active)] as const
        }),
      )
      const found = predictRevert(withMachine(machine, { disks }), 'i1', plain)
      return E.isLeft(found) ? `${refusalText(found.left)} (${found.left.guest})` : 'no refusal'
    }
    const other = { id: '2', name: 'i2' }
    const unsaid = 'R7: An error occurred, but the cause is unknown (shut-off)'
    const absent = "R7: operation failed: image of disk 'vda' does not have internal snapshot 'i1' (shut-off)"
    expect(saidOf('shutoff', other)).toBe(unsaid)
    expect(saidOf('shutoff', other, 'gone')).toBe(unsaid)
    expect(saidOf('shutoff', { id: '2', name: 'i1' })).toBe('no refusal')
    expect(saidOf('shutoff', { id: 'i1', name: 'i2' })).toBe('no refusal')
    expect(saidOf('running', other)).toBe(absent)
    expect(saidOf('running', { id: 'i1', name: 'i2' })).toBe(absent)
    expect(saidOf('running', other, 'gone')).toBe('no refusal')
  })

  it('R8: to an external snapshot while none is current: the daemon dies', () => {
    const { current, ...none } = three
    expect(current).toBe('s3')
    expect(refused(none, 's1')).toBe('R8: End of file while reading data: Input/output error (shut-off)')
  })
})
