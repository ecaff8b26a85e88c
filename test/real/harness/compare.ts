// What is left after a plan, against what the algebra predicts: contents, headers, sizes, files.

import { createHash } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { contentsAfter, layerOfPattern, override, path, patternOfLayer, viewOf } from 'backing-chain'
import type { Chain, Contents, Image, Plan } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { allRead, cellBytes, readCells, readHeader, wholeWord } from '../lab/images.js'
import type { Written } from '../lab/writer.js'
import type { Tree } from './tree.js'

/** What a guest wrote while the plan went on, and between which of its writes the moment of the plan lies. */
export interface Meanwhile {
  readonly writes: ReadonlyArray<Written>
  /** How many writes are certainly before the moment at which the guest goes on elsewhere, or a copy is taken. */
  readonly earliest: number
  /** How many can be. */
  readonly latest: number
}

export const nothingWritten: Meanwhile = { writes: [], earliest: 0, latest: 0 }

const fileOf = ({ location }: Image): string => {
  if (location._tag === 'File' || location._tag === 'BlockDevice') return location.path
  throw new Error('the lab has files only')
}

const written = (contents: Contents, image: Image, writes: ReadonlyArray<Written>): Contents => {
  const layer = contents.get(image.name)
  if (layer === undefined || writes.length === 0) return contents
  const cells = Array.from({ length: image.sizeBytes / cellBytes }, () => '-')
  for (const { cell, value } of writes) cells[cell] = value
  return new Map(contents).set(image.name, override(layer, layerOfPattern(cells.join(''))))
}

const imageOf = (chain: Chain, name: string): Image => {
  const image = chain.images.get(name)
  if (image === undefined) throw new Error(`no image ${name}`)
  return image
}

const pictureOf = (chain: Chain, contents: Contents, name: string): string => {
  const view = viewOf(chain, contents, name)
  if (view === undefined) throw new Error(`the contents of ${name} are not known`)
  return patternOfLayer(view)
}

/** Images that have left the chain and, as their fate says, still show what they showed. */
const redundant = (plan: Plan): ReadonlyArray<string> =>
  Array.from(plan.fates).flatMap(([name, fates]) =>
    fates.includes('redundant') && !fates.includes('removed') && !plan.after.images.has(name) ? [name] : [],
  )

/** What images show, by name. */
type Shown = ReadonlyMap<string, string>

/** What each image shows by the theorem, were `count` writes made before the moment. */
const predicted = (plan: Plan, contents: Contents, meanwhile: Meanwhile, count: number): Shown => {
  const before = written(contents, imageOf(plan.before, plan.before.active), meanwhile.writes.slice(0, count))
  const after = written(contentsAfter(plan, before), imageOf(plan.after, plan.after.active), meanwhile.writes)
  const shown = new Map<string, string>()
  for (const name of plan.after.images.keys()) shown.set(name, pictureOf(plan.after, after, name))
  for (const name of redundant(plan)) shown.set(name, pictureOf(plan.before, before, name))
  return shown
}

/** Every image that a plan says something about the contents of. */
const imagesOf = (plan: Plan): ReadonlyArray<Image> => [
  ...plan.after.images.values(),
  ...redundant(plan).map((name) => imageOf(plan.before, name)),
]

/** What every image shows now, read through its header; fast where all is as wanted. */
const readAll = async ({ plan, version }: Finished, wanted: Shown): Promise<Shown> => {
  const images = imagesOf(plan)
  const reads = images.map((image) => ({
    open: wholeWord(fileOf(image), image.format),
    cells: wanted.get(image.name) ?? '',
  }))
  if (await allRead(version, reads)) return wanted
  const shown = new Map<string, string>()
  for (const image of images) shown.set(image.name, await readCells(fileOf(image), image.format, { version }))
  return shown
}

const checkContents = async (of: Finished): Promise<Shown> => {
  const { plan, tree, meanwhile } = of
  const { earliest, writes } = meanwhile
  const latest = Math.min(meanwhile.latest, writes.length)
  const found = await readAll(of, predicted(plan, tree.contents, meanwhile, latest))
  for (let count = earliest; count <= latest; count++) {
    const expected = predicted(plan, tree.contents, meanwhile, count)
    if (Array.from(expected).every(([name, cells]) => found.get(name) === cells)) return found
  }
  expect(found).toEqual(predicted(plan, tree.contents, meanwhile, meanwhile.latest))
  expect(meanwhile).toBe('a moment between two writes at which all images fit')
  return found
}

/** Images that nobody said anything else about show what they showed before, and so does the guest's disk. */
const checkKept = ({ plan, tree, meanwhile }: Finished, shown: Shown): void => {
  const active = written(tree.contents, imageOf(plan.before, plan.before.active), meanwhile.writes)
  const kept = new Map([[String(plan.after.active), pictureOf(plan.before, active, plan.before.active)]])
  for (const [name, fates] of plan.fates) {
    if (!plan.before.images.has(name) || !plan.after.images.has(name) || kept.has(name)) continue
    const changes = fates.includes('invalid') || (fates.includes('written') && plan.operation === 'commit')
    const onActive = path(plan.before, name)?.some((image) => image.name === plan.before.active) === true
    if (!changes && (!onActive || meanwhile.writes.length === 0))
      kept.set(name, pictureOf(plan.before, tree.contents, name))
  }
  expect(new Map(Array.from(kept.keys(), (name) => [name, shown.get(name)]))).toEqual(kept)
}

const checkPoints = ({ plan, tree }: Finished, shown: Shown): void => {
  for (const { before, after, format, sizeBytes } of plan.points) {
    const holder = imageOf(plan.after, after)
    expect({ format: holder.format, sizeBytes: holder.sizeBytes }).toEqual({ format, sizeBytes })
    const expected = pictureOf(plan.before, tree.contents, before)
    expect({ point: before, cells: shown.get(after) }).toEqual({ point: before, cells: expected })
  }
}

const checkHeaders = async ({ plan, version }: Finished): Promise<void> => {
  for (const image of plan.after.images.values()) {
    const { name, format, sizeBytes, backing } = image
    const found = { name, ...(await readHeader(fileOf(image), { version })) }
    const expected = { name, format, sizeBytes, backing: backing?.header, backingFormat: backing?.format }
    expect(found).toEqual(expected)
  }
}

const exists = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const checkFiles = async ({ plan }: Finished): Promise<void> => {
  const expected = new Map<string, boolean>()
  const found = new Map<string, boolean>()
  for (const [name, fates] of plan.fates) {
    const image = plan.after.images.get(name) ?? imageOf(plan.before, name)
    const moved = fates.includes('renamed') ? plan.before.images.get(name) : undefined
    expected.set(name, !fates.includes('removed') && image !== moved)
    found.set(name, await exists(fileOf(image)))
    if (moved === undefined) continue
    expected.set(`${name} at its old path`, false)
    found.set(`${name} at its old path`, await exists(fileOf(moved)))
  }
  expect(found).toEqual(expected)
}

/** A digest of each file of a chain that no plan may touch without saying so. */
export const digests = async (chain: Chain): Promise<ReadonlyMap<string, string>> => {
  const found = new Map<string, string>()
  for (const image of chain.images.values()) {
    if (!(await exists(fileOf(image)))) continue
    const bytes = await readFile(fileOf(image))
    found.set(image.name, createHash('sha256').update(bytes).digest('hex'))
  }
  return found
}

/** Files of images that are kept, or redundant and left, are the same byte by byte; the guest's own is excepted. */
const checkUntouched = async ({ plan, before }: Finished): Promise<void> => {
  const after = await digests(plan.before)
  const expected = new Map<string, string | undefined>()
  for (const [name, fates] of plan.fates) {
    const untouched = fates.every((fate) => fate === 'kept' || fate === 'redundant')
    if (untouched && name !== plan.before.active && name !== plan.after.active) expected.set(name, before.get(name))
  }
  expect(new Map(Array.from(expected.keys(), (name) => [name, after.get(name)]))).toEqual(expected)
}

/** A plan that has been executed, with no program that has the images open any more. */
export interface Finished {
  readonly plan: Plan
  readonly tree: Tree
  readonly version: QemuVersion
  readonly meanwhile: Meanwhile
  /** What `digests` said before the plan. */
  readonly before: ReadonlyMap<string, string>
}

/** Fails unless everything is as predicted. */
export const compare = async (of: Finished): Promise<void> => {
  await checkFiles(of)
  await checkHeaders(of)
  const shown = await checkContents(of)
  checkKept(of, shown)
  checkPoints(of, shown)
  await checkUntouched(of)
}
