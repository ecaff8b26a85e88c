import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { patternOfLayer } from '../../src/index.js'
import type { LibvirtCall } from '../../src/index.js'
import { element } from '../../src/model/xml.js'
import { guestViews, liveChain, machineWorldOf, machineWrite, performMachine } from '../../src/simulate/index.js'
import type { MachineWorld } from '../../src/simulate/index.js'
import { vm } from '../operation/machine.js'

const world = (state: 'running' | 'shut-off' = 'running', persistence: 'persistent' | 'transient' = 'persistent') => {
  const built = vm({ disks: { vda: 'v[aa] <- v.1[-b]^' }, state, persistence })
  return right(machineWorldOf(built.machine, built.contents))
}

const right = <A>(of: E.Either<unknown, A>): A => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  return of.right
}

const does = (of: MachineWorld, ...calls: ReadonlyArray<LibvirtCall>): MachineWorld =>
  calls.reduce((now, call) => right(performMachine(now, { _tag: 'Libvirt', function: call })), of)

const says = (of: MachineWorld, call: LibvirtCall): string => {
  const done = performMachine(of, { _tag: 'Libvirt', function: call })
  return E.isLeft(done) && 'desc' in done.left ? done.left.desc : E.isLeft(done) ? done.left._tag : 'done'
}

const domain = 'vm'
const managedSave: LibvirtCall = { call: 'virDomainManagedSave', arguments: { domain }, flags: [] }
const start: LibvirtCall = { call: 'virDomainCreateWithFlags', arguments: { domain }, flags: [] }
const forced: LibvirtCall = { ...start, flags: ['VIR_DOMAIN_START_FORCE_BOOT'] }
const remove: LibvirtCall = { call: 'virDomainManagedSaveRemove', arguments: { domain }, flags: [] }
const destroy: LibvirtCall = { call: 'virDomainDestroyFlags', arguments: { domain }, flags: [] }
const inFile = { domain, path: '/memory' }
const save: LibvirtCall = { call: 'virDomainSaveFlags', arguments: inFile, flags: [] }
const restore: LibvirtCall = { call: 'virDomainRestoreFlags', arguments: inFile, flags: [] }
const snapshot: LibvirtCall = {
  call: 'virDomainSnapshotCreateXML',
  arguments: { domain, xml: element('domainsnapshot', {}, [element('name', {}, ['s1'])]) },
  flags: ['VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'],
}

const shown = (of: MachineWorld): string => Array.from(guestViews(of).values(), (view) => patternOfLayer(view)).join()
const top = (of: MachineWorld): string =>
  Array.from(of.worlds.values(), (one) => liveChain(one).at(-1)?.path ?? 'off').join()
const written = (of: MachineWorld): MachineWorld =>
  right(machineWrite(of, { disk: 'vda', run: { kind: 'data', startBytes: 0, endBytes: 65536, source: 'z' } }))

describe('a managed saved state', () => {
  it('shuts the guest off, is resumed by the next start, and is used up', () => {
    const off = does(written(world()), managedSave)
    expect([top(off), shown(off), off.saved.size]).toEqual(['off', 'zb', 1])
    const on = does(off, start)
    expect([top(on), shown(on), on.saved.size, on.memory]).toEqual(['/images/v.1', 'zb', 0, 'saved at 0'])
    expect(does(off, remove, start).memory).toBe('booted')
    expect(does(off, forced)).toMatchObject({ memory: 'booted', saved: new Map() })
  })

  it('is resumed on the disks that it names, whatever the definition says by then', () => {
    const off = does(world(), managedSave, snapshot)
    const on = does(off, start)
    expect(top(on)).toBe('/images/v.1')
    expect(top(does(on, destroy, start))).toBe('/images/v.s1')
    // What holds the snapshot has been written.
    expect(shown(does(written(on), destroy))).toBe('zb')
  })

  it('stays where a start fails', () => {
    const off = does(world(), managedSave)
    const without = right(performMachine(off, { _tag: 'Files', operation: 'remove', path: '/images/v' }))
    expect(says(without, start)).toMatch(/^Cannot access .*'\/images\/v'/)
    expect(without.saved.size).toBe(1)
  })

  it('is paused where the guest was, or where it is asked to be', () => {
    const guest = (of: MachineWorld): string | undefined => of.worlds.get('vda')?.qemu?.guest
    const paused = does(world(), { call: 'virDomainSuspend', arguments: { domain }, flags: [] }, managedSave)
    expect(guest(does(paused, start))).toBe('paused')
    const asked: LibvirtCall = {
      call: 'virDomainManagedSave',
      arguments: { domain },
      flags: ['VIR_DOMAIN_SAVE_PAUSED'],
    }
    expect(guest(does(world(), asked, start))).toBe('paused')
    const running = does(world(), managedSave)
    expect(guest(does(running, { ...start, flags: ['VIR_DOMAIN_START_PAUSED'] }))).toBe('paused')
  })

  it('says what libvirt says', () => {
    expect(says(world('shut-off'), managedSave)).toBe('Requested operation is not valid: domain is not running')
    expect(says(world('running', 'transient'), managedSave)).toBe(
      'Requested operation is not valid: cannot do managed save for transient domain',
    )
    expect(says(world(), remove)).toBe('done')
    const xml = element('domain')
    expect(says(world(), { call: 'virDomainManagedSaveDefineXML', arguments: { domain, xml }, flags: [] })).toBe(
      'Requested operation is not valid: domain does not have managed save image',
    )
    const revert: LibvirtCall = {
      call: 'virDomainRevertToSnapshot',
      arguments: { domain, snapshot: 's1' },
      flags: [],
    }
    const off = does(world(), snapshot, managedSave)
    expect(says(off, revert)).toMatch(/^revert requires force: snapshot without memory state/)
    const gone = does(off, { ...revert, flags: ['VIR_DOMAIN_SNAPSHOT_REVERT_FORCE'] })
    expect(gone.saved.size).toBe(1)
  })
})

describe('a state in a file', () => {
  it('stays, and is restored again whatever has been written since', () => {
    const on = does(written(world()), save, restore)
    expect([on.saved.size, shown(on)]).toEqual([1, 'zb'])
    expect(says(on, restore)).toBe("Requested operation is not valid: domain 'vm' is already active")
    expect(does(on, destroy, restore).memory).toBe('saved at 0')
    expect(does(on, destroy, start).memory).toBe('booted')
  })

  it('goes with its file', () => {
    const off = does(world(), save)
    const gone = right(performMachine(off, { _tag: 'Files', operation: 'remove', path: '/memory' }))
    expect(says(gone, restore)).toBe("Failed to open file '/memory': No such file or directory")
  })

  it('over an image is not modelled', () => {
    expect(says(world(), { ...save, arguments: { domain, path: '/images/v' } })).toContain('libvirt does it')
  })
})
