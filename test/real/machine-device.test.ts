// Deleting snapshots whose images are on devices, with two disks: what is refused fails, and what is planned is done.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  capabilitiesOfVersions,
  chain,
  commitRoom,
  commitsOf,
  deleteSnapshots,
  explainMachineRefusal,
  machine,
} from 'backing-chain'
import type { CommitRoom, DeleteRequest, ImageDescription, Machine, MachineHost, MachinePlan } from 'backing-chain'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { onLoops } from './harness/on-loops.js'
import { factsOf } from './harness/room.js'
import type { Host } from './harness/steps.js'
import { fullVersion } from './harness/stage-qmp.js'
import { right } from './harness/tree.js'
import { binary, qemuVersions, type QemuVersion } from './lab/binaries.js'
import { run } from './lab/exec.js'
import { cellBytes, createImages, readCells } from './lab/images.js'
import { withLoop, type Loop } from './lab/loop.js'
import { executeMachine } from './machine/execute.js'
import { freeHost, noAgent } from './machine/qmp-host.js'
import { powerOn, type Home } from './machine/qmp-machine.js'

const cells = 32
const deviceBytes = 67_108_864

const hostFor = (of: Machine, version: QemuVersion): MachineHost => ({
  via: of.state === 'shut-off' ? 'qemu-img' : 'qmp',
  capabilities: capabilitiesOfVersions({ qemu: fullVersion[version] }),
})

interface Stage {
  readonly home: Home
  readonly loops: readonly [Loop, Loop]
  readonly off: Machine
}

/** The second images of vda, and the first of vdb, are on devices; s1 is in what vda's lies on, s2 in both. */
const contents = {
  a: 'lllllllllllllllllllllllllll',
  'a.1': 'aaaa',
  'a.2': '--bbbb--------00',
  b: 'cc',
  'b.1': '-dd',
} as const
const views = {
  vda: 'aabbbbllllllll00lllllllllll'.padEnd(cells, '0'),
  vdb: 'cdd'.padEnd(cells, '0'),
  s1: contents.a.padEnd(cells, '0'),
}

const withStage = async (version: QemuVersion, act: (stage: Stage) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-dev-'))
  try {
    await withLoop(deviceBytes, (first) =>
      withLoop(deviceBytes, async (second) => {
        const file = (name: string): ImageDescription['location'] => ({ _tag: 'File', path: join(folder, name) })
        const on = ({ device }: Loop): ImageDescription['location'] => ({ _tag: 'BlockDevice', path: device })
        const places = { a: file('a'), 'a.1': on(first), 'a.2': file('a.2'), b: on(second), 'b.1': file('b.1') }
        const image = (name: keyof typeof places, below?: keyof typeof places): ImageDescription => ({
          ...{ name, format: 'qcow2', sizeBytes: cells * cellBytes, clusterBytes: cellBytes, version: 3 },
          ...{ location: places[name], otherReaders: [] },
          ...(below && { backing: { image: below, header: pathOf(places[below]), format: 'qcow2' } }),
        })
        const vda = [image('a'), image('a.1', 'a'), image('a.2', 'a.1')]
        const vdb = [image('b'), image('b.1', 'b')]
        await createImages(
          [...vda, ...vdb].map(({ name, sizeBytes, location, backing }) => ({
            ...{ path: pathOf(location), format: 'qcow2' as const, sizeBytes, cells: cellsOf(name) },
            ...(backing && { backing: { header: backing.header, format: 'qcow2' } }),
          })),
          version,
        )
        const off = right(
          machine({
            name: 'vm',
            state: 'shut-off',
            disks: [right(chain('vda', vda, 'a.2')), right(chain('vdb', vdb, 'b.1'))],
            snapshots: [
              { name: 's1', disks: [['vda', { mode: 'external', frozen: 'a' }]] },
              {
                ...{ name: 's2', parent: 's1' },
                disks: [
                  ['vda', { mode: 'external', frozen: 'a.1' }],
                  ['vdb', { mode: 'external', frozen: 'b' }],
                ],
              },
            ],
            current: 's2',
          }),
        )
        await act({ home: { version, folder, images: folder }, loops: [first, second], off })
      }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const pathOf = (location: ImageDescription['location']): string => ('path' in location ? location.path : '')
const cellsOf = (name: string): string => Object.entries(contents).find(([one]) => one === name)?.[1] ?? ''

const planning =
  (version: QemuVersion) =>
  (of: Machine, request: Partial<DeleteRequest> = {}) =>
    deleteSnapshots(of, { snapshots: ['s2'], direction: 'commit', ...request }, hostFor(of, version))

const done = <A>(of: E.Either<Parameters<typeof explainMachineRefusal>[0], A>): A => {
  if (E.isLeft(of)) throw new Error(explainMachineRefusal(of.left))
  return of.right
}

interface Asked {
  readonly disk: string
  readonly image: string
  readonly room: CommitRoom
}

/** From the deletion of a machine to the rooms of its commits. */
const roomsOf = async (of: Machine, version: QemuVersion): Promise<ReadonlyArray<Asked>> => {
  const rooms: Array<Asked> = []
  for (const { disk, chain: before, top, base } of commitsOf(done(planning(version)(of)))) {
    const facts = await factsOf(before, { top, base }, { version })
    rooms.push({ disk, image: base, room: right(commitRoom(before, { top, base }, facts)) })
  }
  return rooms
}

const executed = async (plan: MachinePlan, host: Host): Promise<string> => {
  try {
    await executeMachine(plan, host)
    return 'done'
  } catch (error) {
    return String(error)
  }
}

/** What is read of both disks, and of the snapshot that stays, with the guest off. */
const seenIn = async ({ off, home: { version } }: Stage, images: readonly [string, string]): Promise<object> => {
  const read = (disk: string, image: string): Promise<string> => {
    const location = off.disks.get(disk)?.images.get(image)?.location
    return readCells(location === undefined ? '' : pathOf(location), 'qcow2', { version })
  }
  return { vda: await read('vda', images[0]), vdb: await read('vdb', images[1]), s1: await read('vda', 'a') }
}

/** Lets the machine run, where that is asked, and gives who executes plans then. */
const inState = async (
  { off, home }: Stage,
  state: 'shut-off' | 'running',
  act: (of: Machine, host: Host) => Promise<void>,
): Promise<void> => {
  if (state === 'shut-off') return act(off, freeHost({ version: home.version, qemu: undefined, agent: noAgent }))
  const { qemu, machine: on } = await powerOn(home, off, 'running')
  try {
    await act(on, freeHost({ version: home.version, qemu, agent: noAgent }))
  } finally {
    await qemu.quit()
  }
}

const states = ['shut-off', 'running'] as const
const ways = qemuVersions.flatMap((version) => states.map((state) => [version, state] as const))
const disks = [
  ['vda', 0],
  ['vdb', 1],
] as const

onLoops('the images of snapshots on devices', () => {
  describe.each(ways)('QEMU %s, %s', (version, state) => {
    const planned = planning(version)

    it.each(disks)('the device of %s a cluster too small: refused, and without that it fails', (short, at) =>
      withStage(version, async (stage) => {
        const rooms = await roomsOf(stage.off, version)
        expect(rooms.map(({ disk, image }) => `${disk} ${image}`)).toStrictEqual(['vda a.1', 'vdb b'])
        const presentOf = ({ disk, room }: Asked): number => room.leastBytes - (disk === short ? cellBytes : 0)
        for (const [index, asked] of rooms.entries()) await stage.loops[index]?.resize(presentOf(asked))
        const devices = rooms.map(({ disk, image, room }) => ({
          ...{ disk, image, neededBytes: room.leastBytes },
          presentBytes: presentOf({ disk, image, room }),
        }))
        await inState(stage, state, async (of, host) => {
          const refused = planned(of, { devices })
          expect(E.isLeft(refused) ? refused.left : 'planned').toMatchObject({
            ...{ _tag: 'DiskRefused', disk: short },
            refusal: { _tag: 'BaseDeviceTooSmall', base: rooms[at]?.image },
          })
          expect(await executed(done(planned(of)), host)).toContain('No space left on device')
        })
        // The overlay of the disk that has failed is whole.
        const failed = await seenIn(stage, ['a.2', 'b.1'])
        expect(failed).toMatchObject({ [short]: views[short] })
      }),
    )

    it('as large as said: done, with the snapshot that stays as it was', () =>
      withStage(version, async (stage) => {
        const rooms = await roomsOf(stage.off, version)
        for (const [index, { room }] of rooms.entries()) await stage.loops[index]?.resize(room.leastBytes)
        const devices = rooms.map(({ disk, image, room: { leastBytes } }) => ({
          ...{ disk, image, presentBytes: leastBytes, neededBytes: leastBytes },
        }))
        await inState(stage, state, async (of, host) => {
          expect(await executed(done(planned(of, { devices })), host)).toBe('done')
        })
        expect(await seenIn(stage, ['a.1', 'b'])).toStrictEqual(views)
        for (const { device } of stage.loops)
          expect((await run([binary(version, 'qemu-img'), 'check', device])).code).toBe(0)
      }))

    it('goes up where it may', () =>
      withStage(version, async (stage) => {
        const devices = [{ disk: 'vda', image: 'a.1', presentBytes: 1, neededBytes: 2 }]
        await stage.loops[0].resize(13 * cellBytes)
        await inState(stage, state, async (of, host) => {
          const plan = done(planned(of, { devices, direction: 'auto' }))
          expect(commitsOf(plan).map(({ base }) => base)).toStrictEqual(['b'])
          expect(await executed(plan, host)).toBe('done')
        })
        expect(await seenIn(stage, ['a.2', 'b'])).toStrictEqual(views)
      }))
  })
})
