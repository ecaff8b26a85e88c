import { describe, expect, test } from 'vitest'

import { machineFromLibvirt } from '../../src/codec/index.js'
import type { DecodedMachine, LibvirtMachine, MachineFinding } from '../../src/codec/index.js'
import { chain } from '../../src/model/chain.js'
import type { Chain } from '../../src/model/chain.js'
import { kindOfSnapshot } from '../../src/model/snapshot-kind.js'
import { imageOfDisk } from '../../src/model/snapshot.js'
import { captured, capturedIn, left, right } from './captured.js'

interface Drawn {
  readonly disk: string
  /** Each image as `name` or `name < backing`, under `/images`; `!i` after it is an internal snapshot called i. */
  readonly images: ReadonlyArray<string>
  readonly active: string
}

const chainOf = ({ disk, images, active }: Drawn): Chain => {
  const at = (name: string): string => `/images/${name}`
  const described = images.map((image) => {
    const [names = '', ...inside] = image.split('!')
    const [name = '', backing] = names.split(' < ').map(at)
    return {
      ...{ name, format: 'qcow2' as const, sizeBytes: 65536, location: { _tag: 'File' as const, path: name } },
      internalSnapshots: inside.map((one, id) => ({ id: `${id}`, name: one, vmStateBytes: 0 })),
      ...(backing === undefined ? {} : { backing: { image: backing, header: backing, format: 'qcow2' as const } }),
    }
  })
  return right(chain(disk, described, at(active)))
}

/** Chains of `vda` and `vdb` of one shape: `$` stands for the name of the domain and the disk. */
const both = (name: string, images: ReadonlyArray<string>, active: string): ReadonlyArray<Chain> =>
  ['vda', 'vdb'].map((disk) => {
    const named = (text: string): string => text.replaceAll('$', `${name}-${disk}`)
    return chainOf({ disk, images: images.map(named), active: named(active) })
  })

const domainOf = (scene: string, state: LibvirtMachine['state'] = 'running'): Omit<LibvirtMachine, 'chains'> => {
  const folder = `10.0/snapshots/${scene}`
  const current = captured(`${folder}/current.txt`).trim()
  return {
    domain: state === 'shut-off' ? undefined : captured(`${folder}/domain.xml`),
    inactive: captured(`${folder}/domain.inactive.xml`),
    state,
    snapshots: capturedIn(folder, '.xml')
      .filter((file) => file.startsWith('snapshot-'))
      .map((file) => captured(`${folder}/${file}`)),
    current: current.startsWith('error') ? undefined : current,
  }
}

/** Which image holds which point in time: `s1/vda three-vda.qcow2`. */
const points = ({ machine }: DecodedMachine): ReadonlyArray<string> =>
  Array.from(machine.snapshots.values()).flatMap(({ name, disks }) =>
    Array.from(
      disks,
      ([target, disk]) => `${name}/${target} ${imageOfDisk(disk)?.replace('/images/', '') ?? disk.mode}`,
    ),
  )

const read = (of: LibvirtMachine): DecodedMachine => right(machineFromLibvirt(of))

describe('captured domains (libvirt 11.3)', () => {
  const three = both('three', ['$.qcow2', '$.s1 < $.qcow2', '$.s2 < $.s1', '$.s3 < $.s2'], '$.s3')

  test('three snapshots: each is in the image below its overlay', () => {
    const made = read({ ...domainOf('three'), chains: three })
    expect(points(made)).toEqual([
      ...['s1/vda three-vda.qcow2', 's1/vdb three-vdb.qcow2', 's2/vda three-vda.s1', 's2/vdb three-vdb.s1'],
      ...['s3/vda three-vda.s2', 's3/vdb three-vdb.s2'],
    ])
    expect(made.findings).toEqual([])
    expect(made.machine).toMatchObject({ name: 'three', state: 'running', current: 's3' })
    expect(made.machine.definitions?.live?.name).toBe('domain')
    expect(made.machine.definitions?.persistent?.name).toBe('domain')
    expect(made.machine.snapshots.get('s2')).toMatchObject({ parent: 's1', recorded: { name: 'domainsnapshot' } })
  })

  test('the middle one deleted: the last one is where the middle one was, whatever its overlay is called', () => {
    const chains = both('three', ['$.qcow2', '$.s1 < $.qcow2', '$.s3 < $.s1'], '$.s3')
    const made = read({ ...domainOf('three-without-middle'), chains })
    expect(points(made).filter((one) => one.includes('vda'))).toEqual(['s1/vda three-vda.qcow2', 's3/vda three-vda.s1'])
    expect(made.findings).toEqual([])
  })

  test('reverted: a branch, and the point in time of the one reverted to', () => {
    const chains = both('branches', ['$.qcow2', '$.s1 < $.qcow2', '$.s2 < $.s1', '$.1795656133 < $.s1'], '$.1795656133')
    const made = read({ ...domainOf('reverted', 'shut-off'), chains })
    expect(points(made).filter((one) => one.includes('vda'))).toEqual([
      's1/vda branches-vda.qcow2',
      's2/vda branches-vda.s1',
      's3/vda branches-vda.s2',
    ])
    expect(made.findings).toEqual([])
    expect(made.machine.current).toBe('s2')
  })

  test.each([
    [
      'external-offline',
      ['$.qcow2', '$.s1 < $.qcow2', '$.s2 < $.s1'],
      '$.s2',
      'off',
      ['external disk snapshot', 'external disk snapshot'],
    ],
    ['external-with-memory', ['$.qcow2', '$.s1 < $.qcow2'], '$.s1', 'memory', ['external system checkpoint']],
    ['memory-only', ['$.qcow2'], '$.qcow2', 'alone', ['VM state alone']],
    ['internal-offline', ['$.qcow2!i1'], '$.qcow2', 'internal', ['internal disk snapshot']],
    [
      'internal-system',
      ['$.qcow2!i1', '$.s2 < $.qcow2'],
      '$.s2',
      'system',
      ['internal system checkpoint', 'external disk snapshot'],
    ],
    ['manual', ['$.qcow2', '$.s1 < $.qcow2'], '$.s1', 'manual', ['external disk snapshot']],
  ])('%s: of its kind', (scene, images, active, name, kinds) => {
    const state = ['off', 'internal'].includes(name) ? 'shut-off' : 'running'
    const chains = both(name, images, active)
    const made = read({ ...domainOf(scene, state), chains })
    expect(Array.from(made.machine.snapshots.values(), kindOfSnapshot)).toEqual(kinds)
    const elsewhere: ReadonlyArray<MachineFinding> = [
      {
        _tag: 'ActiveElsewhere',
        disk: 'vdb',
        definition: '/images/manual-vdb.qcow2',
        active: '/images/manual-vdb.s1',
      },
    ]
    expect(made.findings).toEqual(scene === 'manual' ? elsewhere : [])
  })

  test('what is not where the record says is a finding, and no guess', () => {
    // vda was committed by hand into its base, which the guest now writes; of vdb a file has been moved away
    const chains = [
      chainOf({ disk: 'vda', images: ['three-vda.qcow2'], active: 'three-vda.qcow2' }),
      chainOf({
        disk: 'vdb',
        images: ['three-vdb.qcow2', 'three-vdb.s2 < three-vdb.qcow2', 'three-vdb.s3 < three-vdb.s2'],
        active: 'three-vdb.s3',
      }),
    ]
    const made = read({ ...domainOf('three'), chains })
    expect(points(made)).toEqual([
      ...['s1/vda external', 's1/vdb three-vdb.qcow2', 's2/vda external', 's2/vdb external'],
      ...['s3/vda external', 's3/vdb three-vdb.s2'],
    ])
    expect(made.findings).toEqual([
      {
        _tag: 'ActiveElsewhere',
        disk: 'vda',
        definition: '/images/three-vda.s3',
        active: '/images/three-vda.qcow2',
      },
      { _tag: 'PointWritten', snapshot: 's1', disk: 'vda', image: '/images/three-vda.qcow2' },
      { _tag: 'PointMissing', snapshot: 's2', disk: 'vda', path: '/images/three-vda.s1' },
      { _tag: 'PointMissing', snapshot: 's2', disk: 'vdb', path: '/images/three-vdb.s1' },
      { _tag: 'PointMissing', snapshot: 's3', disk: 'vda', path: '/images/three-vda.s2' },
    ])
  })

  test('an internal snapshot that its image does not have', () => {
    const chains = both('internal', ['$.qcow2!other'], '$.qcow2')
    const made = read({ ...domainOf('internal-offline', 'shut-off'), chains })
    expect(points(made)).toEqual(['i1/vda internal', 'i1/vdb internal'])
    expect(made.findings).toEqual([
      { _tag: 'InternalMissing', snapshot: 'i1', disk: 'vda', image: '/images/internal-vda.qcow2' },
      { _tag: 'InternalMissing', snapshot: 'i1', disk: 'vdb', image: '/images/internal-vdb.qcow2' },
    ])
  })

  test('a chain that was not given', () => {
    const made = read({ ...domainOf('three'), chains: three.slice(0, 1) })
    expect(made.findings).toEqual([{ _tag: 'ChainMissing', disk: 'vdb' }])
    expect(points(made)).toContain('s2/vdb three-vdb.s1')
  })

  test('a domain without snapshots', () => {
    const made = read({ ...domainOf('none', 'shut-off'), chains: [] })
    expect(made.machine.snapshots.size).toBe(0)
    expect(made.machine.current).toBeUndefined()
  })
})

const disk = (target: string, path: string): string =>
  `<disk type="file"><source file="${path}"/><target dev="${target}"/></disk>`

const domain = (...disks: ReadonlyArray<string>): string =>
  `<domain><name>vm</name><devices>${disks.join('')}</devices></domain>`

const snapshot = (name: string, { disks, definition }: { disks: string; definition: string }): string =>
  `<domainsnapshot><name>${name}</name><state>shutoff</state><disks>${disks}</disks>${definition}</domainsnapshot>`

const taken = (target: string, mode = 'external'): string => `<disk name="${target}" snapshot="${mode}"/>`

describe('machineFromLibvirt', () => {
  const off = { domain: undefined, state: 'shut-off', current: undefined } as const
  const a = chainOf({ disk: 'vda', images: ['a', 'b < a'], active: 'b' })

  test('a disk that has gone since: what the snapshot says is taken over', () => {
    const definition = domain(disk('vda', '/images/a'), disk('vdb', '/images/gone'))
    const disks = `${taken('vda')}${taken('vdb')}${taken('vdc', 'no')}`
    const made = read({
      ...off,
      inactive: domain(disk('vda', '/images/b')),
      snapshots: [snapshot('s', { disks, definition })],
      chains: [a],
    })
    expect(points(made)).toEqual(['s/vda a', 's/vdb gone', 's/vdc no'])
    expect(made.findings).toEqual([{ _tag: 'DiskGone', snapshot: 's', disk: 'vdb' }])
  })

  test('paths are compared folded, and names are the caller’s', () => {
    const location = { _tag: 'File' as const, path: '/images/x/../a' }
    const images = [
      { name: 'base', format: 'qcow2' as const, sizeBytes: 1, location },
      {
        ...{
          name: 'top',
          format: 'qcow2' as const,
          sizeBytes: 1,
          location: { _tag: 'File' as const, path: '/images/b' },
        },
        backing: { image: 'base', header: 'x', format: 'qcow2' as const },
      },
    ]
    const made = read({
      ...off,
      inactive: domain(disk('vda', '/images/./b')),
      snapshots: [snapshot('s', { disks: taken('vda'), definition: domain(disk('vda', '/images//a')) })],
      chains: [right(chain('vda', images, 'top'))],
    })
    expect(points(made)).toEqual(['s/vda base'])
    expect(made.findings).toEqual([])
  })

  test('a record that does not say where: no definition, a volume', () => {
    const volume = '<disk type="volume"><source pool="p" volume="v"/><target dev="vda"/></disk>'
    const made = read({
      ...off,
      inactive: domain(disk('vda', '/images/b')),
      snapshots: [
        snapshot('s', { disks: taken('vda'), definition: '' }),
        snapshot('t', { disks: taken('vda', 'internal'), definition: domain(volume) }),
      ],
      chains: [a],
    })
    expect(made.findings).toEqual([
      { _tag: 'PointMissing', snapshot: 's', disk: 'vda', path: undefined },
      { _tag: 'PointMissing', snapshot: 't', disk: 'vda', path: undefined },
    ])
  })

  test('an image above the active one has been written too', () => {
    const made = read({
      ...off,
      inactive: domain(disk('vda', '/images/a')),
      snapshots: [snapshot('s', { disks: taken('vda'), definition: domain(disk('vda', '/images/b')) })],
      chains: [chainOf({ disk: 'vda', images: ['a', 'b < a'], active: 'a' })],
    })
    expect(made.findings).toEqual([{ _tag: 'PointWritten', snapshot: 's', disk: 'vda', image: '/images/b' }])
  })

  test('a disk called like a member of an object', () => {
    const made = read({
      ...off,
      inactive: domain(disk('__proto__', '/images/b')),
      snapshots: [
        snapshot('__proto__', { disks: taken('__proto__'), definition: domain(disk('__proto__', '/images/a')) }),
      ],
      chains: [chainOf({ disk: '__proto__', images: ['a', 'b < a'], active: 'b' })],
    })
    expect(points(made)).toEqual(['__proto__/__proto__ a'])
  })

  test('an empty drive has no chain; a chain may be of a disk that the definition does not have', () => {
    const drive = '<disk type="file" device="cdrom"><target dev="sda"/></disk>'
    const made = read({ ...off, inactive: domain(drive), snapshots: [], chains: [a] })
    expect(made.findings).toEqual([
      { _tag: 'ActiveElsewhere', disk: 'vda', definition: undefined, active: '/images/b' },
    ])
  })

  test('what is no machine', () => {
    const inactive = domain(disk('vda', '/images/b'))
    const orphan = snapshot('s', { disks: '', definition: '<parent><name>p</name></parent>' })
    expect(left(machineFromLibvirt({ ...off, inactive, snapshots: [orphan], current: 'q', chains: [a] }))).toEqual({
      _tag: 'MachineWrong',
      problems: [
        { _tag: 'CurrentMissing', current: 'q' },
        { _tag: 'ParentMissing', snapshot: 's', parent: 'p' },
      ],
    })
  })

  test('which definition counts', () => {
    const [live, persistent] = [domain(disk('vda', '/images/b')), domain(disk('vda', '/images/a'))]
    const rest = { snapshots: [], current: undefined, chains: [a] }
    expect(read({ ...rest, domain: live, inactive: persistent, state: 'running' }).findings).toEqual([])
    expect(read({ ...rest, domain: live, inactive: undefined, state: 'paused' }).machine.definitions).toMatchObject({
      persistent: undefined,
    })
    const stopped = read({ ...rest, domain: live, inactive: undefined, state: 'shut-off' }).machine
    expect(stopped.definitions?.persistent?.name).toBe('domain')
    expect(read({ ...rest, domain: live, inactive: persistent, state: 'shut-off' }).findings).toHaveLength(1)
    expect(
      left(machineFromLibvirt({ ...rest, domain: undefined, inactive: persistent, state: 'running' })),
    ).toMatchObject({
      problems: [{ _tag: 'DefinitionWrong', which: 'live' }],
    })
    expect(left(machineFromLibvirt({ ...rest, ...off, inactive: undefined }))).toMatchObject({
      problems: [{ path: '/' }],
    })
    expect(left(machineFromLibvirt({ ...rest, ...off, inactive: '<domain/>' }))).toMatchObject({
      problems: [{ path: '/domain/name' }],
    })
    expect(left(machineFromLibvirt({ ...rest, ...off, inactive: '<' }))._tag).toBe('TextWrong')
  })

  test('many snapshots of many images take no time to speak of', { timeout: 20_000 }, () => {
    const count = 5000
    const images = Array.from({ length: count + 1 }, (_, at) => (at === 0 ? 'i0' : `i${at} < i${at - 1}`))
    const snapshots = Array.from({ length: count }, (_, at) =>
      snapshot(`s${at}`, { disks: taken('vda'), definition: domain(disk('vda', `/images/i${at}`)) }),
    )
    const made = read({
      ...off,
      inactive: domain(disk('vda', `/images/i${count}`)),
      snapshots,
      chains: [chainOf({ disk: 'vda', images, active: `i${count}` })],
    })
    expect(made.findings).toEqual([])
  })
})
