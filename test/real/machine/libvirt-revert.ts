// libvirt's own revert, whatever it loses: what it says, makes, unlinks and writes down has been foreseen.

import * as E from 'fp-ts/lib/Either.js'
import { mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import type { Machine, XmlElement } from 'backing-chain'
import type { LibvirtRevertRequest } from '../../../src/operation/libvirt-revert-guard.js'
import { predictRevert, type LibvirtRevert } from '../../../src/operation/libvirt-revert.js'
import { runOk } from '../lab/exec.js'
import { handOver } from './bytes.js'
import { disksOfDomain, factsOf } from './facts.js'
import { observe, type Observed } from './observe.js'
import type { Random } from './random.js'
import type { Session } from './session.js'
import { objection, said } from './virsh-error.js'

/** A definition in short: each disk with what is stored of its chain, and all elements that are no disks. */
const definitionFacts = (domain: XmlElement | undefined): object => ({
  disks: new Map(
    Array.from(disksOfDomain(domain), ([target, { images, end }]) => [
      target,
      `${end}: ${images.map(({ format, path }) => `${format} ${path}`).join(' <- ')}`,
    ]),
  ),
  rest: restOf(domain),
})

const restOf = (of: XmlElement | undefined): unknown =>
  of && [
    Object.entries(of.attributes).sort(),
    of.children.flatMap((child): ReadonlyArray<unknown> => {
      if (typeof child === 'string') return child.trim() === '' ? [] : [child.trim()]
      return child.name === 'disk' ? [] : [[child.name, restOf(child)]]
    }),
  ]

const recordFacts = (records: ReadonlyMap<string, XmlElement>): object =>
  new Map(Array.from(records, ([name, record]) => [name, factsOf(record)] as const).sort())

const seenFacts = (seen: Observed): object => ({
  state: seen.state,
  files: Array.from(seen.files.keys()),
  current: seen.current,
  records: recordFacts(seen.records),
  definition: definitionFacts(seen.persistent),
})

const foreseen = (before: Observed, of: LibvirtRevert): object => {
  const gone = new Set(of.unlinked)
  const files = new Set([...before.files.keys(), ...of.overlays.map(({ path }) => path)])
  return {
    state: of.guest,
    files: Array.from(files)
      .filter((path) => !gone.has(path))
      .sort(),
    current: of.current,
    records: recordFacts(of.records),
    definition: definitionFacts(of.definition),
  }
}

const flagNames = {
  '--running': 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING',
  '--paused': 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED',
  '--force': 'VIR_DOMAIN_SNAPSHOT_REVERT_FORCE',
} as const

/** The second after which libvirt has named overlays, or would have. */
const secondIn = (paths: ReadonlyArray<string>): number | undefined => {
  const found = paths.map((path) => /\.(\d{10})$/.exec(path)?.[1]).find((digits) => digits !== undefined)
  return found === undefined ? undefined : Number(found)
}

/** What is known of the machine before a revert, and of the host besides: files that are no images, say. */
export interface AtRevert {
  readonly before: Observed
  readonly machine: Machine
  readonly found?: Pick<LibvirtRevertRequest, 'jobs' | 'managedSave' | 'irregular' | 'taken'>
}

/** How libvirt is asked to revert. */
export interface AskedRevert {
  readonly to: string
  readonly flags: ReadonlyArray<keyof typeof flagNames>
}

/** What can be where libvirt wants to make an image; or where one was. */
export const obstacles = {
  file: (path) => writeFile(path, 'no image'),
  'empty file': async (path) => {
    await writeFile(path, '')
    await handOver(path)
  },
  directory: async (path) => {
    await mkdir(path)
  },
  pipe: async (path) => {
    await runOk(['mkfifo', path])
  },
  device: (path) => symlink('/dev/null', path),
} as const satisfies { readonly [what: string]: (path: string) => Promise<void> }

export type Obstacle = keyof typeof obstacles

/** False for an overlay, which libvirt has made where an empty file was. */
const isObstacle = async (path: string): Promise<boolean> => {
  const found = await stat(path)
  return !found.isFile() || found.size < 16
}

/** Reverts with libvirt; fails unless what it says, makes, unlinks and writes down has been foreseen. In a word what happened. */
export const revertAsForeseen = async (
  session: Session,
  { before, machine, found }: AtRevert,
  asked: AskedRevert,
): Promise<string> => {
  const { to, flags } = asked
  const since = Math.floor(Date.now() / 1000)
  const images = Array.from(before.files).flatMap(([path, info]) => (info === undefined ? [] : [path]))
  const all = { ...found, flags: flags.map((flag) => flagNames[flag]), taken: [...images, ...(found?.taken ?? [])] }
  const predict = (seconds: number): ReturnType<typeof predictRevert> => predictRevert(machine, to, { ...all, seconds })
  const early = predict(since)
  if (E.isLeft(early) && early.left.rule === 'R8') return 'R8'
  const ran = await session.tryVirsh('snapshot-revert', to, ...flags)
  const until = Math.floor(Date.now() / 1000)
  const words = said(ran)
  const seen = await observe(session.stage)
  const made = Array.from(seen.files.keys()).filter((path) => !before.files.has(path))
  const second = secondIn([...made, words]) ?? until
  expect(second).toBeGreaterThanOrEqual(since)
  expect(second).toBeLessThanOrEqual(until)
  const predicted = predict(second)
  if (E.isLeft(predicted)) {
    const { rule, desc, guest } = predicted.left
    expect({ asked, words, facts: seenFacts(seen) }).toEqual({
      asked,
      words: `error: ${desc}`,
      facts: { ...seenFacts(before), state: guest },
    })
    return `revert ${rule}`
  }
  if (ran.code !== 0 && objection.test(words)) return 'objection'
  expect({ asked, words, facts: seenFacts(seen) }).toEqual({
    asked,
    words: '',
    facts: foreseen(before, predicted.right),
  })
  const kind = predicted.right.overlays.length > 0 ? 'external' : 'internal'
  const memory = predicted.right.memory === undefined ? '' : ' with memory'
  return `revert ${kind}${memory}, ${before.state} to ${predicted.right.guest}`
}

/** Reverts with something there that has the names of overlays to come; an empty file is in nobody's way. */
export const revertOverObstacles = async (
  session: Session,
  { at, what }: { readonly at: AtRevert; readonly what: Obstacle },
  asked: AskedRevert,
): Promise<string> => {
  const now = Math.floor(Date.now() / 1000)
  // An overlay of an earlier revert in this second is in the way by itself.
  const paths = Array.from({ length: 8 }, (_, index) => session.path(`vdb.${String(now + index)}`)).filter(
    (path) => !at.before.files.has(path),
  )
  for (const path of paths) await obstacles[what](path)
  const there = what === 'file' ? { taken: paths } : what === 'empty file' ? {} : { irregular: paths }
  try {
    const files = [...at.before.files, ...paths.map((path) => [path, undefined] as const)]
    const before = { ...at.before, files: new Map(files.sort()) }
    return await revertAsForeseen(session, { ...at, before, found: { ...at.found, ...there } }, asked)
  } finally {
    for (const path of paths) if (await isObstacle(path)) await rm(path, { recursive: true })
  }
}

/** Reverts with libvirt, once in a while with something in the way. */
export const revertByLibvirt = async (session: Session, at: AtRevert, random: Random): Promise<string> => {
  const to = random.pick(Array.from(at.before.records.keys()))
  const flags = random.weighted([
    [3, []],
    [3, ['--running']],
    [1, ['--paused']],
  ] as const)
  const asked = { to, flags }
  return random.oneIn(8)
    ? revertOverObstacles(session, { at, what: random.pick(['file', 'empty file', 'directory']) }, asked)
    : revertAsForeseen(session, at, asked)
}
