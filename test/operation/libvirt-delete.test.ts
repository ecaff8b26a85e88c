import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { predictDelete } from '../../src/operation/libvirt-delete.js'
import type { LibvirtDeletion } from '../../src/operation/libvirt-delete.js'
import { lossesOfDelete, pointsAfterDelete } from '../../src/operation/libvirt-loss.js'
import { withMachine } from '../../src/model/machine.js'
import type { Machine } from '../../src/model/machine.js'

import { deletionText, lossText, pointsText, recordsText, refusalText } from './libvirt-text.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const only = { children: 'none' } as const

const deleted = (
  machine: Machine,
  name: string,
  request: Parameters<typeof predictDelete>[2] = only,
): LibvirtDeletion => {
  const found = predictDelete(machine, name, request)
  if (E.isLeft(found)) throw new Error(refusalText(found.left))
  return found.right
}

const refused = (machine: Machine, name: string, request: Parameters<typeof predictDelete>[2] = only): string => {
  const found = predictDelete(machine, name, request)
  return E.isLeft(found) ? refusalText(found.left) : 'no refusal'
}

interface Expected {
  readonly disks: ReadonlyArray<string>
  readonly records: ReadonlyArray<string>
  readonly lost?: ReadonlyArray<string>
}

const expectDelete = (of: Vm, name: string, { disks, records, lost = [] }: Expected): LibvirtDeletion => {
  const { machine } = vm(of)
  const deletion = deleted(machine, name)
  expect(deletion.disks.map(deletionText)).toStrictEqual(disks)
  expect(recordsText(deletion)).toStrictEqual(records)
  expect(lossesOfDelete(machine, deletion).map(lossText)).toStrictEqual(lost)
  return deletion
}

/** base <- base.s1 <- base.s2 <- base.s3, with the snapshots s1, s2, s3; s3 is current. */
const three: Vm = {
  disks: { vda: 'v <- v.s1 <- v.s2 <- v.s3^' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.s1' },
    { name: 's3', parent: 's2', vda: 'v.s2' },
  ],
  current: 's3',
}

/** After a revert to s2: s3 is off the active path, and its overlay has gone. */
const reverted: Vm = {
  disks: { vda: 'v <- v.s1 <- (v.s2, v.17^)' },
  snapshots: [
    { name: 's1', vda: 'v' },
    { name: 's2', parent: 's1', vda: 'v.s1', record: { disks: { vda: 'v.s2' }, revertDisks: { vda: 'v.17' } } },
    { name: 's3', parent: 's2', vda: 'v.s2', record: { disks: { vda: 'v.s3' } } },
  ],
  current: 's2',
}

describe('a chain of three', () => {
  it('D01: the oldest: the image above is committed into the base, and the next snapshot moves there', () => {
    const deletion = expectDelete(three, 's1', {
      disks: ['vda: commit v.s1 into v, below'],
      records: ['s2: vda=v.s2 | vda=v', 's3 of s2: vda=v.s3 | vda=v.s2 -> v', 'current: s3'],
    })
    expect(pointsText(pointsAfterDelete(vm(three).machine, deletion))).toStrictEqual(['s2: vda v', 's3: vda v.s2'])
    expect(deletion.guest).toBe('as it is')
  })

  it('D02: the middle: the stored chain of the next one is cut off', () => {
    expectDelete(three, 's2', {
      disks: ['vda: commit v.s2 into v.s1, below'],
      records: ['s1: vda=v.s1 | vda=v', 's3 of s1: vda=v.s3 | vda=v.s1', 'current: s3'],
    })
  })

  it('D03: the newest: an active commit, and its parent becomes current', () => {
    const deletion = expectDelete(three, 's3', {
      disks: ['vda: commit v.s3 into v.s2, active'],
      records: ['s1: vda=v.s1 | vda=v', 's2 of s1: vda=v.s2 | vda=v.s1 -> v', 'current: s2'],
    })
    expect(deletion.deleted).toStrictEqual(['s3'])
  })

  it('D04 to D06: of a guest that is shut off the same, in a QEMU that is started for it', () => {
    const off: Vm = { ...three, state: 'shut-off' }
    expect(
      expectDelete(off, 's1', {
        disks: ['vda: commit v.s1 into v, below'],
        records: ['s2: vda=v.s2 | vda=v', 's3 of s2: vda=v.s3 | vda=v.s2 -> v', 'current: s3'],
      }).guest,
    ).toBe('started')
  })

  it('the last of all leaves no current snapshot', () => {
    const last: Vm = { disks: { vda: 'v <- v.s1^' }, snapshots: [{ name: 's1', vda: 'v' }], current: 's1' }
    expectDelete(last, 's1', { disks: ['vda: commit v.s1 into v, active'], records: ['current: none'] })
  })

  it('N08: the file of the memory is unlinked', () => {
    const memory: Vm = {
      disks: { vda: 'v <- v.s1^' },
      snapshots: [{ name: 's1', vda: 'v', state: 'running', memory: { _tag: 'External', path: '/images/s1.mem' } }],
      current: 's1',
    }
    expect(deleted(vm(memory).machine, 's1').unlinked).toStrictEqual(['/images/s1.mem'])
  })

  it('J14: asking again after an interrupted deletion takes the mark off the parent', () => {
    const marked: Vm = {
      ...three,
      snapshots: [
        { name: 's1', vda: 'v', record: { deletion: ['vda'] } },
        { name: 's2', parent: 's1', vda: 'v.s1' },
        { name: 's3', parent: 's2', vda: 'v.s2' },
      ],
    }
    expect(recordsText(deleted(vm(marked).machine, 's2'))[0]).toBe('s1: vda=v.s1 | vda=v')
  })
})

describe('branches', () => {
  it('B01: a leaf off the active path: the file of its point in time goes, and what the revert noted down takes its place', () => {
    expectDelete(reverted, 's3', {
      disks: ['vda: unlink v.s2'],
      records: ['s1: vda=v.s1 | vda=v', 's2 of s1: vda=v.17 | vda=v.s1 -> v', 'current: s2'],
    })
  })

  it('B02: an ancestor of two branches: the other one is rebased', () => {
    const deletion = expectDelete(reverted, 's1', {
      disks: ['vda: commit v.s1 into v, below, rebase v.s2'],
      records: ['s2: vda=v.s2 | reverted vda=v.17 | vda=v', 's3 of s2: vda=v.s3 | vda=v.s2 -> v', 'current: s2'],
    })
    expect(pointsText(pointsAfterDelete(vm(reverted).machine, deletion))).toStrictEqual(['s2: vda v', 's3: vda v.s2'])
  })

  it('B05: with one child on the active path its overlay is taken from there, not from its own record', () => {
    const after: Vm = {
      disks: { vda: 'v <- v.s1 <- v.17 <- v.s4^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.s1', record: { disks: { vda: 'v.s2' } } },
        { name: 's4', parent: 's2', vda: 'v.17' },
      ],
      current: 's4',
    }
    expectDelete(after, 's2', {
      disks: ['vda: commit v.17 into v.s1, below'],
      records: ['s1: vda=v.s1 | vda=v', 's4 of s1: vda=v.s4 | vda=v.s1', 'current: s4'],
    })
  })

  it('a leaf without an ancestor that has the disk: its file stays, and is nobody’s', () => {
    const roots: Vm = {
      disks: { vda: 'v <- v.s1 <- v.s2^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', vda: 'v.s1' },
      ],
      current: 's2',
    }
    expectDelete(roots, 's1', {
      disks: ['vda: keep v'],
      records: ['s2: vda=v.s2 | vda=v.s1 -> v', 'current: s2'],
    })
  })

  it('a leaf whose ancestors leave the disk out: its file stays, which is the base of the present', () => {
    const shared: Vm = {
      disks: { vda: 'v <- (v.s1, v.17^)', vdb: 'w <- w.17^' },
      snapshots: [
        { name: 's1', vda: 'v', vdb: 'no', record: { domain: { vdb: 'w' }, disks: { vda: 'v.s1' } } },
        { name: 's2', parent: 's1', vda: 'v.s1', vdb: 'w', record: { disks: { vda: 'v.s2', vdb: 'w.s2' } } },
      ],
      current: 's1',
    }
    expectDelete(shared, 's2', {
      disks: ['vda: unlink v.s1', 'vdb: keep w'],
      records: ['s1: vda=v.s1 vdb=no | vda=v vdb=w', 'current: s1'],
    })
  })

  it('T06: a leaf on an internal snapshot: its file stays', () => {
    const inside: Vm = {
      disks: { vda: 'v^ <- v.s2' },
      snapshots: [
        { name: 'i1', state: 'shutoff', vda: 'inside v' },
        { name: 's2', parent: 'i1', vda: 'lost', record: { domain: { vda: 'v' }, disks: { vda: 'v.s2' } } },
      ],
      current: 'i1',
    }
    expectDelete(inside, 's2', {
      disks: ['vda: keep v'],
      records: ['i1: vda=internal | vda=v', 'current: i1'],
    })
  })
})

describe('disks that are left out', () => {
  const subset: Vm = {
    disks: { vda: 'v <- v.s1 <- v.s3^', vdb: 'w <- w.s2 <- w.s3^' },
    snapshots: [
      { name: 's1', vda: 'v', vdb: 'no', record: { domain: { vdb: 'w' } } },
      { name: 's2', parent: 's1', vda: 'no', vdb: 'w', record: { domain: { vda: 'v <- v.s1' } } },
      { name: 's3', parent: 's2', vda: 'v.s1', vdb: 'w.s2' },
    ],
    current: 's3',
  }

  it('W01: s1 touches vda alone; the next snapshot knows the overlay though it leaves the disk out', () => {
    const deletion = expectDelete(subset, 's1', {
      disks: ['vda: commit v.s1 into v, below'],
      records: [
        's2: vda=no vdb=w.s2 | vda=v vdb=w',
        's3 of s2: vda=v.s3 vdb=w.s3 | vda=v vdb=w.s2 -> w',
        'current: s3',
      ],
    })
    expect(pointsText(pointsAfterDelete(vm(subset).machine, deletion))).toStrictEqual([
      's2: vda no vdb w',
      's3: vda v vdb w.s2',
    ])
  })

  it('W01: s2 touches vdb alone', () => {
    expectDelete(subset, 's2', {
      disks: ['vdb: commit w.s2 into w, below'],
      records: [
        's1: vda=v.s1 vdb=no | vda=v vdb=w',
        's3 of s1: vda=v.s3 vdb=w.s3 | vda=v.s1 -> v vdb=w',
        'current: s3',
      ],
    })
  })

  it('N09: a manual disk is left alone', () => {
    const manual: Vm = {
      disks: { vda: 'v <- v.s1^', vdb: 'w^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'manual' }],
      current: 's1',
    }
    expectDelete(manual, 's1', { disks: ['vda: commit v.s1 into v, active'], records: ['current: none'] })
  })
})

describe('internal snapshots', () => {
  const inside: Vm = {
    disks: { vda: 'v^' },
    snapshots: [
      { name: 'i1', state: 'shutoff', vda: 'inside v' },
      { name: 'i2', parent: 'i1', state: 'shutoff', vda: 'inside v' },
      { name: 'i3', parent: 'i2', state: 'shutoff', vda: 'inside v' },
    ],
    current: 'i3',
  }

  it('N06: one alone', () => {
    expectDelete(inside, 'i2', {
      disks: ['vda: delete i2 inside v'],
      records: ['i1: vda=internal | vda=v', 'i3 of i1: vda=internal | vda=v', 'current: i3'],
    })
  })

  it('N06: with its children, what lies below first', () => {
    const deletion = deleted(vm(inside).machine, 'i2', { children: 'children' })
    expect(deletion.disks.map(deletionText)).toStrictEqual(['vda: delete i3 inside v', 'vda: delete i2 inside v'])
    expect(recordsText(deletion)).toStrictEqual(['i1: vda=internal | vda=v', 'current: i1'])
  })

  it('N06: a subtree of three, the deepest first', () => {
    expect(deleted(vm(inside).machine, 'i1', { children: 'children' }).deleted).toStrictEqual(['i3', 'i2', 'i1'])
  })

  it('N06: its children only', () => {
    const deletion = deleted(vm(inside).machine, 'i2', { children: 'children only' })
    expect(deletion.deleted).toStrictEqual(['i3'])
    expect(deletion.current).toBe('i2')
  })

  it('N06: a current root leaves no current snapshot, and its children become roots', () => {
    const deletion = deleted(vm({ ...inside, current: 'i1' }).machine, 'i1')
    expect(recordsText(deletion)).toStrictEqual([
      'i2: vda=internal | vda=v',
      'i3 of i2: vda=internal | vda=v',
      'current: none',
    ])
  })

  it('D08: children only, of an external leaf, does nothing', () => {
    const deletion = deleted(vm(three).machine, 's3', { children: 'children only' })
    expect(deletion).toMatchObject({ disks: [], deleted: [], current: 's3' })
  })

  it('U12: while the guest is shut off, also inside an image that is a backing file now', () => {
    const below: Vm = {
      disks: { vda: 'v <- v.s2^' },
      state: 'shut-off',
      snapshots: [
        { name: 'i1', state: 'shutoff', vda: 'inside v' },
        { name: 's2', parent: 'i1', vda: 'v' },
      ],
      current: 's2',
    }
    expectDelete(below, 'i1', {
      disks: ['vda: delete i1 inside v'],
      records: ['s2: vda=v.s2 | vda=v', 'current: s2'],
    })
  })
})

describe('what libvirt loses', () => {
  it('X04: an internal snapshot inside the overlay goes with it; its record stays and names the file', () => {
    const inside: Vm = {
      disks: { vda: 'v <- v.s1^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 'i1', parent: 's1', state: 'running', memory: { _tag: 'Internal' }, vda: 'inside v.s1' },
      ],
      current: 'i1',
    }
    const deletion = expectDelete(inside, 's1', {
      disks: ['vda: commit v.s1 into v, active'],
      records: ['i1: vda=internal | vda=v.s1 -> v', 'current: i1'],
      lost: ['i1 on vda in v.s1'],
    })
    expect(pointsText(pointsAfterDelete(vm(inside).machine, deletion))).toStrictEqual(['i1: vda lost'])
  })

  it('X04: also one that no record of libvirt’s knows', () => {
    const inside: Vm = {
      disks: { vda: 'v <- v.s1^' },
      images: { 'v.s1': { internalSnapshots: [{ id: '1', name: 'mine', vmStateBytes: 0 }] } },
      snapshots: [{ name: 's1', vda: 'v' }],
      current: 's1',
    }
    expectDelete(inside, 's1', {
      disks: ['vda: commit v.s1 into v, active'],
      records: ['current: none'],
      lost: ['mine on vda in v.s1'],
    })
  })

  it('T08: overlays that no record knows: one on the base reads what was written, one on the overlay reads nothing', () => {
    const foreign: Vm = {
      ...three,
      disks: { vda: 'v <- (v.s1 <- (v.s2 <- v.s3^, f.2), f.1 <- f.11)' },
    }
    expectDelete(foreign, 's1', {
      disks: ['vda: commit v.s1 into v, below'],
      records: ['s2: vda=v.s2 | vda=v', 's3 of s2: vda=v.s3 | vda=v.s2 -> v', 'current: s3'],
      lost: ['data on vda in f.2', 'data on vda in f.11'],
    })
  })

  it('T08: another machine that reads the base', () => {
    const shared: Vm = { ...three, images: { v: { otherReaders: ['other-vm'] } } }
    expect(lossesOfDelete(vm(shared).machine, deleted(vm(shared).machine, 's1')).map(lossText)).toStrictEqual([
      'data on vda in v',
    ])
  })

  it('a snapshot that shares the frozen image with the one that is deleted', () => {
    const twice: Vm = {
      disks: { vda: 'v <- v.s1^' },
      snapshots: [
        { name: 'hand', vda: 'v', record: 'none' },
        { name: 's1', vda: 'v' },
      ],
      current: 's1',
    }
    expectDelete(twice, 's1', {
      disks: ['vda: commit v.s1 into v, active'],
      records: ['current: none'],
      lost: ['hand on vda in v'],
    })
  })

  it('a leaf whose file somebody’s branch lies on', () => {
    const branch: Vm = { ...reverted, disks: { vda: 'v <- v.s1 <- (v.s2 <- f, v.17^)' } }
    expectDelete(branch, 's3', {
      disks: ['vda: unlink v.s2'],
      records: ['s1: vda=v.s1 | vda=v', 's2 of s1: vda=v.17 | vda=v.s1 -> v', 'current: s2'],
      lost: ['data on vda in f'],
    })
  })

  it('a leaf by whose record another snapshot’s file is unlinked', () => {
    const wrong: Vm = {
      ...reverted,
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.s1' },
        { name: 's3', parent: 's2', vda: 'v.s2', record: { domain: { vda: 'v <- v.s1' } } },
      ],
    }
    const { machine } = vm(wrong)
    expect(lossesOfDelete(machine, deleted(machine, 's3')).map(lossText)).toStrictEqual([
      's2 on vda in v.s1',
      'data on vda in v.17',
    ])
  })
})

const at = (of: Vm, name: string, request: Parameters<typeof predictDelete>[2] = only): string =>
  refused(vm(of).machine, name, request)

describe('refusals, in the words of libvirt 11.3', () => {
  const inner: Vm = {
    disks: { vda: 'v <- v.s2^' },
    snapshots: [
      { name: 'i1', state: 'running', memory: { _tag: 'Internal' }, vda: 'inside v' },
      { name: 's2', parent: 'i1', vda: 'v' },
    ],
    current: 's2',
  }
  const mixed: Vm = {
    disks: { vda: 'v <- v.s1^' },
    snapshots: [
      { name: 's0', vda: 'no', record: { domain: { vda: 'v' } } },
      { name: 's1', parent: 's0', vda: 'v' },
      { name: 'i1', parent: 's1', state: 'shutoff', vda: 'inside v.s1' },
    ],
    current: 'i1',
  }

  it('E0: no record', () => {
    const none = { ...three, snapshots: [{ name: 's1', vda: 'v', record: 'none' as const }], current: 's1' }
    expect(at(none, 's1')).toBe("E0: Domain snapshot not found: no domain snapshot with matching name 's1'")
  })

  it('E1 (N07): an internal snapshot inside an image that is not the active one', () => {
    expect(at(inner, 'i1')).toBe(
      "E1: Operation not supported: disk image 'vda' for internal snapshot 'i1' is not the same as disk image currently used by VM",
    )
  })

  it('E2: with children of both kinds', () => {
    const text =
      'E2: unsupported configuration: deletion of external and internal children disk snapshots not supported'
    expect(at(mixed, 's0', { children: 'children' })).toBe(text)
    expect(at(mixed, 's0', { children: 'children only' })).toBe(text)
  })

  it('E3 (D08): with external children', () => {
    expect(at(three, 's1', { children: 'children' })).toBe(
      'E3: unsupported configuration: deletion of external children disk snapshots not supported',
    )
    expect(at(three, 's1', { children: 'children only' }).slice(0, 3)).toBe('E3:')
  })

  it('E4 (Y05): a block job on any disk', () => {
    const jobs = new Map([['vdb', [{ id: 'copy-vdb', kind: 'copy' as const, images: ['w'] }]]])
    expect(at(three, 's1', { ...only, jobs })).toBe(
      'E4: Operation not supported: cannot delete external snapshots when there is another active block job',
    )
    expect(at(three, 's1', { ...only, jobs: new Map([['vdb', []]]) })).toBe('no refusal')
  })

  it('E5 (D08): with children, even of a leaf', () => {
    expect(at(three, 's3', { children: 'children' })).toBe(
      'E5: unsupported configuration: deletion of external disk snapshots with children not supported',
    )
  })

  it('E6 (B02): the current one with children', () => {
    expect(at(reverted, 's2')).toBe(
      'E6: unsupported configuration: deletion of active external snapshot that is not a leaf snapshot is not supported',
    )
  })

  it('E7 (B03): not a leaf, and off the active path, below the current one or beside it', () => {
    const text =
      'E7: unsupported configuration: deletion of non-leaf external snapshot that is not in active chain is not supported'
    const below: Vm = {
      ...three,
      disks: { vda: 'v <- (v.s1 <- v.s2, v.17^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.s1' },
        { name: 's3', parent: 's2', vda: 'v.s2', record: { disks: { vda: 'v.s3' } } },
      ],
      current: 's1',
    }
    const beside: Vm = {
      ...below,
      disks: { vda: 'v <- (v.s1 <- v.s2, v.17 <- v.s4^)' },
      snapshots: [...(below.snapshots ?? []), { name: 's4', parent: 's1', vda: 'v.17' }],
      current: 's4',
    }
    expect(at(below, 's2')).toBe(text)
    expect(at(beside, 's2')).toBe(text)
  })

  it('E8 (B04): several children', () => {
    const fork: Vm = {
      disks: { vda: 'v <- v.s1 <- (v.s2, v.17 <- v.s4^)' },
      snapshots: [...(reverted.snapshots ?? []), { name: 's4', parent: 's2', vda: 'v.17' }],
      current: 's4',
    }
    expect(at(fork, 's2')).toBe(
      'E8: unsupported configuration: deletion of external disk snapshot with multiple children snapshots not supported',
    )
  })

  it('E9 (J08): the parent of one whose deletion was interrupted', () => {
    const marked: Vm = {
      ...three,
      snapshots: [{ name: 's1', vda: 'v', record: { deletion: ['vda'] } }, ...(three.snapshots ?? []).slice(1)],
    }
    const text = "E9: Requested operation is not valid: snapshot disk 'vda' was target of not completed snapshot delete"
    expect(at(marked, 's1')).toBe(text)
    const [first, ...others] = reverted.snapshots ?? []
    const leaf = others.map((one) => (one.name === 's3' ? { ...one, record: { deletion: ['vda' as const] } } : one))
    expect(at({ ...reverted, snapshots: [...(first === undefined ? [] : [first]), ...leaf] }, 's3')).toBe(text)
  })

  it('E10: a disk that the stored definition does not have', () => {
    const { machine } = vm(three)
    const s3 = Array.from(machine.snapshots.values()).find(({ name }) => name === 's3')
    const recorded = s3?.recorded
    if (s3 === undefined || recorded === undefined) throw new Error('no s3')
    const cut = {
      ...recorded,
      children: recorded.children.filter((one) => typeof one !== 'object' || !one.name.endsWith('omain')),
    }
    const snapshots = new Map([...machine.snapshots, [s3.name, { ...s3, recorded: cut }]])
    const without = withMachine(machine, { snapshots })
    expect(refused(without, 's3')).toBe("E10: operation failed: failed to find disk 'vda' in snapshot VM XML")
  })

  it('E11 (U09): a disk that has gone since', () => {
    const gone: Vm = {
      disks: { vda: 'v <- v.s1^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'w' }],
      current: 's1',
    }
    expect(at(gone, 's1')).toBe("E11: invalid argument: disk 'vdb' not found in domain")
  })

  it('E12 (B11): after a commit by hand of what lay between', () => {
    const committed: Vm = {
      ...three,
      disks: { vda: 'v <- v.s2 <- v.s3^' },
      snapshots: [
        { name: 's1', vda: 'lost', record: { domain: { vda: 'v' }, disks: { vda: 'v.s1' } } },
        { name: 's2', parent: 's1', vda: 'v', record: { domain: { vda: 'v <- v.s1' } } },
        { name: 's3', parent: 's2', vda: 'v.s2' },
      ],
    }
    expect(at(committed, 's1')).toBe('E12: invalid argument: could not find base disk source in disk source chain')
  })

  it('E13 (B13): after a pull of everything', () => {
    const pulled: Vm = {
      ...three,
      disks: { vda: 'v <- v.s1 <- v.s2; v.s3^' },
    }
    expect(at(pulled, 's3')).toBe('E13: operation failed: failed to find parent disk source in backing chain')
    expect(at(pulled, 's2').slice(0, 4)).toBe('E12:')
  })

  it('E14 (T07, W07): something else lies below the overlay than the record says', () => {
    const between: Vm = {
      disks: { vda: 'v <- v.s1 <- n <- v.s2^' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.s1', record: { disks: { vda: 'v.s2' } } },
      ],
      current: 's2',
    }
    expect(at(between, 's2')).toBe(
      'E14: operation failed: snapshot VM disk source and parent disk source are not the same',
    )
    const shallow: Vm = {
      ...three,
      disks: { vda: 'v <- v.s1 <- v.s2^ <- v.s3' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.s1' },
        {
          name: 's3',
          parent: 's2',
          vda: 'lost',
          record: { domain: { vda: 'v <- v.s1 <- v.s2' }, disks: { vda: 'v.s3' } },
        },
      ],
    }
    expect(at(shallow, 's3').slice(0, 4)).toBe('E14:')
  })

  it('E15 (N07): on an internal snapshot', () => {
    const text =
      'E15: Operation not supported: deleting external snapshot that has internal snapshot as parent not supported'
    expect(at(inner, 's2')).toBe(text)
    expect(at({ ...inner, state: 'shut-off' }, 's2')).toBe(text)
  })

  it('shut off, libvirt asks about all records before it looks into any chain', () => {
    const both: Vm = {
      disks: { vda: 'v <- n <- v.s1^' },
      snapshots: [{ name: 's1', vda: 'v', vdb: 'w', record: { disks: { vda: 'v.s1' } } }],
      current: 's1',
    }
    expect(at(both, 's1').slice(0, 4)).toBe('E14:')
    expect(at({ ...both, state: 'shut-off' }, 's1').slice(0, 4)).toBe('E11:')
  })

  it('E16: a snapshot off the active path whose record has lost its chain: the daemon dies', () => {
    const cut = (record: string): Vm => ({
      ...reverted,
      snapshots: (reverted.snapshots ?? []).map((one) =>
        one.name === 's3' ? { ...one, record: { disks: { vda: 'v.s3' }, domain: { vda: record } } } : one,
      ),
    })
    expect(at(cut('v <- v.s1 <- v.s2'), 's1')).toBe('no refusal')
    expect(at(cut('v.s2'), 's1')).toBe('E16: End of file while reading data: Input/output error')
    expect(at(cut('gone'), 's1').slice(0, 4)).toBe('E16:')
    expect(at(cut('v'), 's1')).toBe('no refusal')
  })

  it('E16: all below at once, where one has both children and siblings: the daemon dies', () => {
    const inside = (name: string, parent?: string) => ({
      name,
      vda: 'inside v',
      state: 'shutoff' as const,
      ...(parent === undefined ? {} : { parent }),
    })
    const tree = (...below: ReadonlyArray<readonly [string, string]>): Vm => ({
      disks: { vda: 'v^' },
      snapshots: [inside('r'), ...below.map(([name, parent]) => inside(name, parent))],
      current: 'r',
      state: 'shut-off',
    })
    const asks = (of: Vm): ReadonlyArray<string> =>
      (['none', 'children', 'children only'] as const).map((children) =>
        refused(vm(of).machine, 'r', { children }).slice(0, 4),
      )
    expect(asks(tree(['a', 'r'], ['b', 'a'], ['c', 'b']))).toStrictEqual(['no r', 'no r', 'no r'])
    expect(asks(tree(['a', 'r'], ['b', 'r'], ['c', 'r']))).toStrictEqual(['no r', 'no r', 'no r'])
    expect(asks(tree(['b', 'r'], ['a', 'r'], ['c', 'a']))).toStrictEqual(['no r', 'E16:', 'E16:'])
    expect(asks(tree(['m', 'r'], ['b', 'm'], ['a', 'm'], ['c', 'a']))).toStrictEqual(['no r', 'E16:', 'E16:'])
  })
})
