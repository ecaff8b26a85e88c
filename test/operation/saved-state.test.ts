import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import {
  capabilitiesOfVersions,
  changeChain,
  checkMachinePlan,
  deleteSnapshots,
  dropState,
  explainMachineRefusal,
  forget,
  machine,
  pinnedBy,
  renameImage,
  restoreState,
  revert,
  saveState,
  shellLine,
  take,
} from '../../src/index.js'
import type { Machine, MachineHost, MachinePlan, MachineRefusal, SavedPlace, SavedState } from '../../src/index.js'
import { withMachine } from '../../src/model/machine.js'
import { sourcesOfDomain } from '../../src/model/record.js'
import { vm } from './machine.js'
import type { Vm } from './machine.js'

const host: MachineHost = {
  via: 'libvirt',
  capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' }),
}
const managed: SavedPlace = { kind: 'managed' }
const file: SavedPlace = { kind: 'file', path: '/memory/vm' }

const three: Vm = {
  disks: { vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-]^', vdb: 'w[dddd] <- w.1[-e--]^' },
  snapshots: [
    { name: 's1', vda: 'v', vdb: 'w' },
    { name: 's2', parent: 's1', vda: 'v.1', vdb: 'no' },
  ],
  current: 's2',
}

/** Nobody needs what the middle image shows by itself. */
const loose: Vm = { ...three, snapshots: [{ name: 's1', vda: 'v', vdb: 'w' }], current: 's1' }

const planned = (of: E.Either<MachineRefusal, MachinePlan>): MachinePlan => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  expect(checkMachinePlan(of.right)).toEqual([])
  return of.right
}

const refused = (of: E.Either<MachineRefusal, MachinePlan>): MachineRefusal => {
  if (E.isRight(of)) throw new Error(lines(of.right).join('\n'))
  return of.left
}

const lines = ({ steps }: MachinePlan): ReadonlyArray<string> =>
  steps.map(({ call }) => shellLine(call).replace(/^printf %s .* \| /, '| '))

const running = vm(three).machine

/** The machine after its memory has been saved, with the state as libvirt prints it then. */
const saved = (of: Machine = running, to: SavedPlace = managed): Machine => {
  const { after } = planned(saveState(of, { to }, host))
  return withMachine(after, { saved: after.saved.map((one) => ({ ...one, known: 'as printed' })) })
}

const stateOf = (of: Machine): SavedState => {
  const [state] = of.saved
  if (state === undefined) throw new Error('no state')
  return state
}

const withState = (of: Machine, change: Partial<SavedState>): Machine =>
  withMachine(of, { saved: [{ ...stateOf(of), ...change }] })

describe('saving', () => {
  it('shuts the guest off by one call, and pins what every disk reads', () => {
    const plan = planned(saveState(running, { to: managed }, host))
    expect(lines(plan)).toEqual(['virsh managedsave vm'])
    expect([plan.consistency, plan.after.state, plan.after.definitions?.live]).toEqual([
      'memory',
      'shut-off',
      undefined,
    ])
    const pins = pinnedBy(stateOf(plan.after), plan.after)
    expect([...pins].map(([disk, all]) => [disk, all.map(({ path }) => path)])).toEqual([
      ['vda', ['/images/v', '/images/v.1', '/images/v.2']],
      ['vdb', ['/images/w', '/images/w.1']],
    ])
  })

  it('leaves no node in the chains: QEMU has ended', () => {
    const of = vm({ ...three, nodes: 'implicit' }).machine
    const named = ({ disks }: Machine): number =>
      Array.from(disks.values()).flatMap(({ images }) => [...images.values()].filter(({ node }) => node !== undefined))
        .length
    expect([named(of), named(planned(saveState(of, { to: managed }, host)).after)]).toEqual([5, 0])
  })

  it('to a file, with what the guest does then, and past the page cache', () => {
    const plan = planned(saveState(running, { to: file, guest: 'paused', cache: 'bypass' }, host))
    expect(lines(plan)).toEqual(['virsh save vm /memory/vm --bypass-cache --paused'])
    expect(stateOf(plan.after)).toMatchObject({ place: file, guest: 'paused', disks: 'as saved', known: 'foreseen' })
    expect(plan.assumes).toEqual([
      { _tag: 'OfDisk', disk: 'memory', assumption: { _tag: 'NothingAt', path: '/memory/vm' } },
    ])
  })

  it('of a guest that is paused, it is paused again', () => {
    const { after } = planned(saveState(vm({ ...three, state: 'paused' }).machine, { to: managed }, host))
    expect(stateOf(after).guest).toBe('paused')
    const woken = planned(saveState(vm({ ...three, state: 'paused' }).machine, { to: managed, guest: 'running' }, host))
    expect([lines(woken), stateOf(woken.after).guest]).toEqual([['virsh managedsave vm --running'], 'running'])
  })

  it('another managed state takes the place of the last one', () => {
    const stale = withMachine(running, { saved: [{ ...stateOf(saved()), disks: 'written since' }] })
    expect(planned(saveState(stale, { to: managed }, host)).after.saved.map(({ disks }) => disks)).toEqual(['as saved'])
  })

  it.each<readonly [string, Machine, SavedPlace, MachineHost]>([
    ['NotThisWay', vm({ ...three, records: 'none' }).machine, managed, { ...host, via: 'qmp' }],
    ['NotThisWay', vm({ ...three, records: 'none' }).machine, managed, host],
    ['GuestStateWrong', vm({ ...three, state: 'shut-off' }).machine, { kind: 'file', path: 'm' }, host],
    ['NotThisWay', vm({ ...three, persistence: 'transient' }).machine, managed, host],
    ['NotThisWay', running, { kind: 'file', path: 'm' }, host],
    ['CapabilityMissing', running, file, { ...host, capabilities: capabilitiesOfVersions({ libvirt: '0.9.3' }) }],
    ['JobActive', running, file, { ...host, jobs: new Map([['vdb', [{ id: 'j', kind: 'copy', images: [] }]]]) }],
    ['PathTaken', running, { kind: 'file', path: '/images/w.1' }, host],
    ['PathTaken', running, { kind: 'file', path: '/images/x/../v' }, host],
  ])('refuses %s', (tag, of, to, by) => {
    expect(refused(saveState(of, { to }, by))._tag).toBe(tag)
  })

  it('refuses the path of another state, and one that is reserved', () => {
    const stale = withMachine(running, { saved: [{ ...stateOf(saved()), place: file, disks: 'written since' }] })
    expect(refused(saveState(stale, { to: file }, host))).toMatchObject({ _tag: 'PathTaken', by: 'a saved state' })
    expect(refused(saveState(running, { to: file, reserved: ['/memory/vm'] }, host))._tag).toBe('PathTaken')
  })
})

describe('restoring', () => {
  it('a managed state, by the start that uses it up', () => {
    const plan = planned(restoreState(saved(), { from: managed }, host))
    expect(lines(plan)).toEqual(['virsh start vm'])
    expect([plan.after.state, plan.after.saved]).toEqual(['running', []])
    const live = sourcesOfDomain(plan.after.definitions?.live).get('vda')
    expect([live?.path, live?.below.map(({ path }) => path)]).toEqual(['/images/v.2', ['/images/v.1', '/images/v']])
  })

  it('a file, which stays and fits no more', () => {
    const { after, ...plan } = planned(restoreState(saved(running, file), { from: file }, host))
    expect(lines({ ...plan, after })).toEqual(['virsh restore /memory/vm'])
    expect(after.saved.map(({ disks }) => disks)).toEqual(['written since'])
    const off = withMachine(after, { state: 'shut-off' })
    expect(refused(restoreState(off, { from: file }, host))).toMatchObject({ _tag: 'StateUnfit', why: 'written since' })
  })

  it('to do something else than when it was saved', () => {
    const paused = saved(vm({ ...three, state: 'paused' }).machine)
    const off = saved()
    const asked = (of: Machine, guest: 'running' | 'paused'): ReadonlyArray<string> =>
      lines(planned(restoreState(of, { from: stateOf(of).place, guest }, host)))
    expect(asked(off, 'paused')).toEqual(['virsh start vm --paused'])
    expect(asked(off, 'running')).toEqual(['virsh start vm'])
    expect(asked(paused, 'running')).toEqual(['virsh start vm', 'virsh resume vm'])
    expect(asked(paused, 'paused')).toEqual(['virsh start vm'])
    expect(asked(saved(running, file), 'paused')).toEqual(['virsh restore /memory/vm --paused'])
  })

  it('refuses disks that are not those that it was saved on', () => {
    const off = saved()
    const other = (disks: Vm['disks'], more: Partial<Vm> = {}): Machine =>
      withMachine(vm({ disks, state: 'shut-off', ...more }).machine, { saved: off.saved })
    const unfit = (of: Machine): ReadonlyArray<string> => {
      const found = refused(restoreState(of, { from: managed }, host))
      return found._tag === 'StateUnfit' ? found.conflicts.map(({ path, change }) => `${path} ${change}`) : [found._tag]
    }
    const vdb = 'w[dddd] <- w.1[-e--]^'
    expect(unfit(other({ vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-] <- v.3^', vdb }))).toEqual(['/images/v.2 not active'])
    expect(unfit(other({ vda: 'v[aaaa] <- v.1[-b--]^', vdb }))).toEqual(['/images/v.2 gone'])
    expect(unfit(other({ vda: 'v[aaaa] <- v.2[--c-]^', vdb }))).toEqual(['/images/v.1 gone'])
    expect(unfit(other({ vda: 'v[aaaa] <- (v.1[-b--], v.2[--c-]^)', vdb }))).toEqual(['/images/v repointed'])
    expect(unfit(other({ vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-d]^', vdb }))).toEqual(['/images/v.2 resized'])
  })

  it('refuses where the machine has got a disk since, without which the guest would go on', () => {
    const one = saved(vm({ disks: { vda: three.disks.vda ?? '' } }).machine)
    const of = withMachine(vm({ ...three, state: 'shut-off' }).machine, { saved: one.saved })
    expect(refused(restoreState(of, { from: managed }, host))).toMatchObject({
      _tag: 'StateUnfit',
      conflicts: [{ disk: 'vdb', path: '/images/w.1', change: 'not active' }],
    })
  })

  it('refuses while the next start would resume another state, and what another state pins', () => {
    const both = withMachine(saved(running, file), { saved: [...saved(running, file).saved, stateOf(saved())] })
    expect(refused(restoreState(both, { from: file }, host))._tag).toBe('ManagedSavePresent')
    expect(refused(restoreState(both, { from: managed }, host))).toMatchObject({ _tag: 'StateSaved', place: file })
    const stale = withMachine(both, {
      saved: both.saved.map((one) => (one.place.kind === 'file' ? { ...one, disks: 'written since' } : one)),
    })
    expect(lines(planned(restoreState(stale, { from: managed }, host)))).toEqual(['virsh start vm'])
    const told = { ...host, managedSave: 'present' } as const
    expect(refused(restoreState(saved(running, file), { from: file }, told))._tag).toBe('ManagedSavePresent')
  })

  it.each<readonly [string, Machine, SavedPlace, MachineHost]>([
    ['NotThisWay', saved(), managed, { ...host, via: 'qemu-img' }],
    ['GuestStateWrong', running, managed, host],
    ['NotThisWay', saved(), { kind: 'file', path: 'm' }, host],
    ['CapabilityMissing', saved(), managed, { ...host, capabilities: capabilitiesOfVersions({ libvirt: '0.9.3' }) }],
    ['StateNotFound', saved(), file, host],
  ])('refuses %s', (tag, of, from, by) => {
    expect(refused(restoreState(of, { from }, by))._tag).toBe(tag)
  })
})

describe('dropping', () => {
  it('a managed state, a file, and one that the caller only knows to be there', () => {
    expect(lines(planned(dropState(saved(), { place: managed }, host)))).toEqual(['virsh managedsave-remove vm'])
    const plan = planned(dropState(saved(running, file), { place: file }, host))
    expect([lines(plan), plan.unlinked, plan.after.saved]).toEqual([['unlink -- /memory/vm'], ['/memory/vm'], []])
    const known = { ...host, managedSave: 'present' } as const
    expect(lines(planned(dropState(running, { place: managed }, known)))).toEqual(['virsh managedsave-remove vm'])
  })

  it('refuses what is not there, and other ways', () => {
    expect(refused(dropState(running, { place: managed }, host))._tag).toBe('StateNotFound')
    expect(refused(dropState(saved(), { place: file }, { ...host, managedSave: 'present' }))._tag).toBe('StateNotFound')
    expect(refused(dropState(saved(), { place: managed }, { ...host, via: 'qmp' }))._tag).toBe('NotThisWay')
  })
})

describe('while a state is saved', () => {
  const conflicts = (of: E.Either<MachineRefusal, MachinePlan>): ReadonlyArray<string> => {
    const found = refused(of)
    if (found._tag !== 'StateSaved') return [found._tag]
    return found.conflicts.map(({ disk, path, change }) => `${disk} ${path} ${change}`)
  }

  it.each([managed, file])('a snapshot with new overlays is refused: %o', (place) => {
    expect(conflicts(take(saved(running, place), { name: 's3' }, host))).toEqual([
      'vda /images/v.2 not active',
      'vdb /images/w.1 not active',
    ])
  })

  it('one inside the images as they are is none of its business, and nobody assumes that there is no state', () => {
    const disks = new Map(['vda', 'vdb'].map((disk) => [disk, { mode: 'internal' as const }]))
    const plan = planned(take(saved(), { name: 's3', disks }, host))
    expect(plan.after.saved).toEqual(saved().saved)
    expect(plan.assumes.map(({ _tag }) => _tag)).not.toContain('NoManagedSave')
  })

  it('a deletion that writes or removes what it pins is refused, with the ways that there are', () => {
    for (const how of ['libvirt', 'by hand', 'auto'] as const)
      expect(conflicts(deleteSnapshots(saved(), { snapshots: ['s2'], how }, host))).toEqual([
        'vda /images/v.1 written',
        'vda /images/v.2 gone',
        'vda /images/v.2 not active',
      ])
    const refusal = refused(deleteSnapshots(saved(), { snapshots: ['s1'] }, host))
    expect(explainMachineRefusal(refusal).split('\n').slice(1)).toEqual([
      'Instead:',
      '- restore the state first, and do it while the guest runs',
      '- drop the managed saved state: the memory that it keeps is lost',
      "- have the state follow the disks (`saved: 'repoint'`)",
    ])
  })

  it('what lies beside is free to go', () => {
    const of: Vm = {
      disks: { vda: 'v[aaaa] <- (v.1[-b--] <- v.2[--c-], v.3[---d]^)' },
      snapshots: [
        { name: 's1', vda: 'v' },
        { name: 's2', parent: 's1', vda: 'v.1' },
      ],
      current: 's1',
    }
    const plan = planned(deleteSnapshots(saved(vm(of).machine), { snapshots: ['s2'] }, host))
    expect(plan.parts.length).toBeGreaterThan(0)
    expect(plan.assumes.flatMap((one) => (one._tag === 'OfDisk' ? one.assumption._tag : one._tag))).not.toContain(
      'NoManagedSave',
    )
  })

  it('records alone are free to go', () => {
    expect(planned(forget(saved(), { snapshots: ['s1', 's2'] }, host)).after.saved).toEqual(saved().saved)
  })

  it('a revert is refused: by the start, or by what becomes active', () => {
    const off = { to: 's1', guest: 'shut-off' } as const
    for (const how of ['by hand', 'libvirt'] as const)
      expect(refused(revert(saved(), { ...off, how }, host))._tag).toBe('ManagedSavePresent')
    expect(conflicts(revert(saved(running, file), off, host))).toContain('vda /images/v.2 not active')
  })

  it('a revert that starts the guest is refused, also where every disk of the state stays as it is', () => {
    const { definition } = stateOf(saved(vm({ disks: { vda: 'v[aaaa] <- v.1[-b--] <- v.2[--c-]^' } }).machine, file))
    const of = vm({
      ...three,
      snapshots: [{ name: 's1', vda: 'no', vdb: 'w' }],
      current: 's1',
      state: 'shut-off',
    }).machine
    const state: SavedState = { place: file, guest: 'running', definition, known: 'as printed', disks: 'as saved' }
    const waiting = withMachine(of, { saved: [state] })
    const asked = (guest: 'running' | 'paused' | 'shut-off') =>
      revert(waiting, { to: 's1', guest, how: 'by hand' }, host)
    expect(planned(asked('shut-off')).after.saved).toEqual([state])
    for (const guest of ['running', 'paused'] as const)
      expect(conflicts(asked(guest))).toContain('vda /images/v.2 written')
  })

  it('a revert to what is inside the images is refused: they hold something else then', () => {
    const inside: Vm = {
      disks: { vda: 'v[aaaa]^' },
      snapshots: [{ name: 'i1', vda: 'inside v' }],
      current: 'i1',
      state: 'running',
    }
    expect(
      conflicts(revert(saved(vm(inside).machine, file), { to: 'i1', guest: 'shut-off', present: 'discard' }, host)),
    ).toEqual(['vda /images/v written'])
  })

  it('a new overlay of a revert leaves alone the file in which a state is saved', () => {
    const place: SavedPlace = { kind: 'file', path: '/images/v.s1' }
    const of = withState(saved(running, place), { disks: 'written since' })
    const { after } = planned(revert(of, { to: 's1', guest: 'shut-off' }, host))
    expect(after.disks.get('vda')?.active).toBe('v.s1-1')
    const overlay = { name: 'new', location: { _tag: 'File', path: '/images/v.s1' }, format: 'qcow2' } as const
    expect(
      refused(revert(of, { to: 's1', guest: 'shut-off', overlays: new Map([['vda', overlay]]) }, host)),
    ).toMatchObject({
      _tag: 'PathTaken',
      by: 'a saved state',
    })
  })

  it('a commit and a pull are refused', () => {
    const commit = { top: 'v.2', base: 'v.1', end: 'pivot' } as const
    expect(conflicts(changeChain(saved(vm(loose).machine), { disk: 'vda', commit }, host))).toContain(
      'vda /images/v.1 written',
    )
    const pull = { into: 'v.2', base: 'v' }
    expect(conflicts(changeChain(saved(), { disk: 'vda', pull }, host))).toEqual(['vda /images/v.2 written'])
  })

  it('a state that fits no more pins nothing; a managed one still stands in the way, for libvirt resumes it', () => {
    const request = { name: 's3' }
    expect(refused(take(withState(saved(), { disks: 'written since' }), request, host))._tag).toBe('ManagedSavePresent')
    planned(take(withState(saved(running, file), { disks: 'written since' }), request, host))
  })

  it('a guest that runs has written since', () => {
    const { name, state, disks, definitions } = running
    const of = machine({ name, state, disks: disks.values(), definitions, saved: saved(running, file).saved })
    expect(E.isRight(of) && of.right.saved.map((one) => one.disks)).toEqual(['written since'])
    expect(E.isRight(of) && E.isRight(take(of.right, { name: 's3' }, host))).toBe(true)
  })
})

describe('in English', () => {
  it('what does not fit any more, and what is not there', () => {
    const other = withMachine(vm({ state: 'shut-off', disks: { ...three.disks, vda: 'v <- v.1^' } }).machine, {
      saved: saved().saved,
    })
    expect(explainMachineRefusal(refused(restoreState(other, { from: managed }, host))).split('\n')).toEqual([
      'The managed saved state no longer fits the disks: on disk vda, "/images/v.2" is not there.',
      'Instead:',
      '- drop the managed saved state: the memory that it keeps is lost',
    ])
    expect(explainMachineRefusal(refused(restoreState(other, { from: file }, host)))).toBe(
      'The machine has no state saved in "/memory/vm".',
    )
    expect(explainMachineRefusal(refused(dropState(running, { place: managed }, host)))).toBe(
      'The machine has no managed saved state.',
    )
  })
})

describe('a state that follows the disks', () => {
  const sources = (of: Machine): ReadonlyArray<string> =>
    Array.from(
      sourcesOfDomain(stateOf(of).definition),
      ([disk, { path, below }]) => `${disk} ${path ?? ''} +${below.length}`,
    )

  it('is written anew once the chains are done, and before any file goes', () => {
    const plan = planned(deleteSnapshots(saved(), { snapshots: ['s2'], saved: 'repoint' }, host))
    const calls = lines(plan)
    const at = calls.indexOf('| virsh managedsave-define vm /dev/stdin')
    expect(at).toBeGreaterThan(calls.findIndex((line) => line.startsWith('qemu-img commit')))
    expect(at).toBeLessThan(calls.findIndex((line) => line.startsWith('unlink ')))
    expect(sources(plan.after)).toEqual(['vda /images/v.1 +0', 'vdb /images/w.1 +1'])
    expect(
      pinnedBy(stateOf(plan.after), plan.after)
        .get('vda')
        ?.map(({ path }) => path),
    ).toEqual(['/images/v', '/images/v.1'])
    planned(restoreState(plan.after, { from: managed }, host))
  })

  it('in a file likewise', () => {
    const of = saved(running, file)
    const plan = planned(deleteSnapshots(of, { snapshots: ['s1'], saved: 'repoint' }, host))
    expect(lines(plan)).toContain('| virsh save-image-define /memory/vm /dev/stdin')
    planned(restoreState(plan.after, { from: file }, host))
  })

  it('is left alone where nothing happens to it', () => {
    const plan = planned(
      deleteSnapshots(
        saved(
          vm({
            ...three,
            state: 'running',
            disks: { vda: 'v[a] <- v.1^' },
            snapshots: [{ name: 's1', vda: 'no' }],
            current: 's1',
          }).machine,
        ),
        { snapshots: ['s1'], saved: 'repoint' },
        host,
      ),
    )
    expect(lines(plan).filter((line) => line.includes('define'))).toEqual([])
  })

  it('does not where it fits no more', () => {
    const of = withState(saved(running, file), { disks: 'written since' })
    const plan = planned(deleteSnapshots(of, { snapshots: ['s1'], saved: 'repoint' }, host))
    expect([lines(plan).filter((line) => line.includes('save-image')), plan.after.saved]).toEqual([[], of.saved])
  })

  it('is not asked of libvirt where it cannot, nor with what it would not take back', () => {
    const request = { snapshots: ['s1'], saved: 'repoint' } as const
    const old = { ...host, capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '3.6.0' }) }
    expect(refused(deleteSnapshots(saved(), request, old))._tag).toBe('CapabilityMissing')
    const foreseen = withState(saved(), { known: 'foreseen' })
    expect(refused(deleteSnapshots(foreseen, request, host))._tag).toBe('NotThisWay')
    expect(refused(deleteSnapshots(saved(), { ...request, how: 'libvirt' }, host))._tag).toBe('StateSaved')
    const bare = withMachine(vm({ ...three, state: 'shut-off', records: 'none' }).machine, { saved: saved().saved })
    expect(refused(deleteSnapshots(bare, request, { ...host, via: 'qemu-img' }))._tag).toBe('NotThisWay')
    expect(refused(deleteSnapshots(bare, { snapshots: ['s1'] }, { ...host, via: 'qemu-img' }))._tag).toBe('StateSaved')
  })

  it.each([
    ['v.2', 'vda /images/new +0', ['/images/v', '/images/v.1', '/images/new']],
    ['v.1', 'vda /images/v.2 +0', ['/images/v', '/images/new', '/images/v.2']],
  ])('by a rename of %s', (image, source, pins) => {
    for (const place of [managed, file]) {
      const of = saved(running, place)
      const request = { disk: 'vda', image, to: '/images/new', name: 'new' }
      const refusal = refused(renameImage(of, request, host))
      expect(refusal).toMatchObject({ _tag: 'StateSaved', place })
      expect(refusal.alternatives).toContainEqual({ _tag: 'RepointState' })
      const plan = planned(renameImage(of, { ...request, saved: 'repoint' }, host))
      const calls = lines(plan)
      const at = calls.findIndex((line) => /managedsave-define|save-image-define/.test(line))
      expect(calls.slice(at + 1)).toEqual([`unlink -- /images/${image}`])
      expect(sources(plan.after)).toEqual([source, 'vdb /images/w.1 +1'])
      expect(
        pinnedBy(stateOf(plan.after), plan.after)
          .get('vda')
          ?.map(({ path }) => path),
      ).toEqual(pins)
      planned(restoreState(plan.after, { from: place }, host))
    }
  })

  it('each where there are several, but for one that fits no more', () => {
    const beside = (change: Partial<SavedState> = {}): Machine =>
      withMachine(saved(), { saved: [stateOf(saved()), { ...stateOf(saved(running, file)), ...change }] })
    const defines = (of: Machine): ReadonlyArray<string> =>
      lines(planned(deleteSnapshots(of, { snapshots: ['s2'], saved: 'repoint' }, host))).filter((line) =>
        /managedsave-define|save-image-define/.test(line),
      )
    const managedLine = '| virsh managedsave-define vm /dev/stdin'
    expect(defines(beside())).toEqual([managedLine, '| virsh save-image-define /memory/vm /dev/stdin'])
    expect(defines(beside({ disks: 'written since' }))).toEqual([managedLine])
    const foreseen = deleteSnapshots(beside({ known: 'foreseen' }), { snapshots: ['s2'], saved: 'repoint' }, host)
    expect(refused(foreseen)._tag).toBe('NotThisWay')
  })

  it('and is not given the image of another disk where targets have been exchanged since', () => {
    const swapped = vm({
      disks: { vda: three.disks.vdb ?? '', vdb: three.disks.vda ?? '' },
      snapshots: [
        { name: 's1', vda: 'w', vdb: 'v' },
        { name: 's2', parent: 's1', vda: 'no', vdb: 'v.1' },
      ],
      current: 's2',
      state: 'shut-off',
    }).machine
    const of = withMachine(swapped, { saved: saved().saved })
    expect(refused(deleteSnapshots(of, { snapshots: ['s2'], saved: 'repoint' }, host))).toMatchObject({
      _tag: 'StateSaved',
    })
    const request = { disk: 'vdb', image: 'v.2', to: '/images/new', saved: 'repoint' } as const
    expect(refused(renameImage(of, request, host))._tag).toBe('StateSaved')
  })

  it('by a rename not where libvirt cannot, nor with what it would not take back', () => {
    const request = { disk: 'vda', image: 'v.1', to: '/images/new', saved: 'repoint' } as const
    const old = { ...host, capabilities: capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '3.6.0' }) }
    expect(refused(renameImage(saved(), request, old))._tag).toBe('CapabilityMissing')
    expect(refused(renameImage(withState(saved(), { known: 'foreseen' }), request, host))._tag).toBe('NotThisWay')
  })

  it('by a commit and a pull', () => {
    const commit = { top: 'v.2', base: 'v.1', end: 'pivot', leftovers: 'remove' } as const
    const down = planned(
      changeChain(saved(vm(loose).machine), { disk: 'vda', metadata: 'carry', saved: 'repoint', commit }, host),
    )
    expect(sources(down.after)).toEqual(['vda /images/v.1 +0', 'vdb /images/w.1 +1'])
    expect(lines(down).slice(-2)).toEqual(['| virsh managedsave-define vm /dev/stdin', 'unlink -- /images/v.2'])
    const pull = { into: 'v.2', base: 'v' } as const
    const up = planned(
      changeChain(saved(vm(loose).machine), { disk: 'vda', metadata: 'carry', saved: 'repoint', pull }, host),
    )
    expect(sources(up.after)).toEqual(['vda /images/v.2 +0', 'vdb /images/w.1 +1'])
  })
})

describe('a state in the file of a snapshot’s memory', () => {
  it('would go with the snapshot: there is no such machine', () => {
    const { after } = planned(saveState(running, { to: file }, host))
    const memory = { _tag: 'External', path: '/memory/../memory/vm' } as const
    const [snapshot] = after.snapshots.values()
    if (snapshot === undefined) throw new Error('no snapshot')
    const made = machine({
      ...after,
      disks: after.disks.values(),
      snapshots: [{ ...snapshot, state: 'running', memory }],
      current: snapshot.name,
    })
    expect(made).toEqual(E.left([{ _tag: 'MemoryShared', snapshot: 's1', path: '/memory/../memory/vm' }]))
  })
})
