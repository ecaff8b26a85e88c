// libvirt's own revert, whatever it loses: what it says, makes, unlinks and writes down has been foreseen.

import * as E from 'fp-ts/lib/Either.js'
import { rm, writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import type { Machine, XmlElement } from 'backing-chain'
import { predictRevert, type LibvirtRevert } from '../../../src/operation/libvirt-revert.js'
import { disksOfDomain, factsOf } from './facts.js'
import { observe, type Observed } from './observe.js'
import type { Random } from './random.js'
import { nextSecond, type Session } from './session.js'
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
  const files = [...before.files.keys(), ...of.overlays.map(({ path }) => path)].filter((path) => !gone.has(path))
  return {
    state: of.guest,
    files: files.sort(),
    current: of.current,
    records: recordFacts(of.records),
    definition: definitionFacts(of.definition),
  }
}

const flagNames = {
  '--running': 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING',
  '--paused': 'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED',
} as const

/** The second after which libvirt has named overlays, or would have. */
const secondIn = (paths: ReadonlyArray<string>): number | undefined => {
  const found = paths.map((path) => /\.(\d{10})$/.exec(path)?.[1]).find((digits) => digits !== undefined)
  return found === undefined ? undefined : Number(found)
}

/** Does something with files there that have the names of overlays to come. */
const inTheWay = async (session: Session, at: AtRevert, act: (at: AtRevert) => Promise<string>): Promise<string> => {
  const now = Math.floor(Date.now() / 1000)
  const paths = Array.from({ length: 8 }, (_, index) => session.path(`vdb.${String(now + index)}`))
  for (const path of paths) await writeFile(path, 'no image')
  try {
    const files = [...at.before.files, ...paths.map((path) => [path, undefined] as const)]
    return await act({ ...at, before: { ...at.before, files: new Map(files.sort()) } })
  } finally {
    for (const path of paths) await rm(path)
  }
}

export interface AtRevert {
  readonly before: Observed
  readonly machine: Machine
}

const asForeseen = async (
  session: Session,
  { before, machine }: AtRevert,
  asked: { readonly to: string; readonly flags: ReadonlyArray<keyof typeof flagNames> },
): Promise<string> => {
  const { to, flags } = asked
  const taken = Array.from(before.files.keys())
  const predict = (seconds: number): ReturnType<typeof predictRevert> =>
    predictRevert(machine, to, { flags: flags.map((flag) => flagNames[flag]), seconds, taken })
  const early = predict(Math.floor(Date.now() / 1000))
  if (E.isLeft(early) && early.left.rule === 'R8') return 'R8'
  const ran = await session.tryVirsh('snapshot-revert', to, ...flags)
  const words = said(ran)
  const seen = await observe(session.stage)
  const made = Array.from(seen.files.keys()).filter((path) => !before.files.has(path))
  const predicted = predict(secondIn([...made, words]) ?? Math.floor(Date.now() / 1000))
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
  return `revert ${kind}, ${before.state} to ${predicted.right.guest}`
}

/** Reverts with libvirt, once in a while with something in the way. */
export const revertByLibvirt = async (session: Session, at: AtRevert, random: Random): Promise<string> => {
  const to = random.pick(Array.from(at.before.records.keys()))
  const flags = random.weighted([
    [3, []],
    [3, ['--running']],
    [1, ['--paused']],
  ] as const)
  await nextSecond()
  const act = (of: AtRevert): Promise<string> => asForeseen(session, of, { to, flags })
  return random.oneIn(10) ? inTheWay(session, at, act) : act(at)
}
