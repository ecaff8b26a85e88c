// `npm run bench`: what planning, folding and decoding cost, as a ratio to `JSON.parse` of the same input, and how that
// grows from one row to the next. A growth of about 10 is linear: each row is ten times as large as the one before.

import { readFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import { capabilitiesOfVersions, commit, layer, product, pull } from 'backing-chain'
import type { Chain, Hypervisor, Layer, Run } from 'backing-chain'
import { decodeBackingChain } from 'backing-chain/codec'

const samples = 9
const shortestSampleMs = 20

/** Milliseconds of this process on all cores so far, which what else runs on the machine changes little. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The median CPU time of one call, in milliseconds. Short calls are timed many at a time. */
const timeOf = (work: () => unknown): number => {
  let batch = 1
  const sample = (): number => {
    const start = cpuMs()
    for (let i = 0; i < batch; i++) work()
    return cpuMs() - start
  }
  while (sample() < shortestSampleMs && batch < 1_000_000) batch *= 2
  const times = Array.from({ length: samples }, () => sample() / batch).sort((a, b) => a - b)
  return times[Math.floor(samples / 2)] ?? NaN
}

const right = <L, A>(of: E.Either<L, A>): A => {
  if (E.isLeft(of)) throw new Error(JSON.stringify(of.left))
  return of.right
}

// ---- inputs ----

interface Info {
  readonly [key: string]: unknown
}

const [captured] = JSON.parse(await readFile('examples/captured/qemu-img-info.json', 'utf8')) as ReadonlyArray<Info>

const pathOf = (place: number): string => `/images/disk.${place}.qcow2`

/** What `qemu-img info --backing-chain` would print of a chain of so many images: the captured entry, again and again. */
const infoText = (images: number): string => {
  const entries = Array.from({ length: images }, (_, depth) => {
    const place = images - 1 - depth
    const {
      'backing-filename': _1,
      'full-backing-filename': _2,
      'backing-filename-format': _3,
      ...rest
    } = captured ?? {}
    const own = { ...rest, filename: pathOf(place) }
    if (place === 0) return own
    const below = pathOf(place - 1)
    return { ...own, 'backing-filename': below, 'full-backing-filename': below, 'backing-filename-format': 'qcow2' }
  })
  return JSON.stringify(entries, undefined, 4)
}

/** Ten layers with so many runs in all, no two of them touching, no two layers in step. */
const layersOf = (runs: number): ReadonlyNonEmptyArray<Layer> => {
  const each = Math.ceil(runs / 10)
  const make = (place: number): Layer => {
    const list = Array.from({ length: each }, (_, index): Run => {
      const startBytes = index * 1_310_720 + place * 65_536
      return { kind: 'data', startBytes, endBytes: startBytes + 131_072, source: String(place) }
    })
    return right(layer(each * 1_310_720 + 1_310_720, list))
  }
  return [make(0), ...Array.from({ length: 9 }, (_, place) => make(place + 1))]
}

// ---- what is measured ----

const capabilities = capabilitiesOfVersions({ qemu: '10.0.2' })
const offline: Hypervisor = { via: 'qemu-img', guest: 'shut-off', capabilities }

const planCommit = (chain: Chain, images: number): unknown =>
  right(commit(chain, { top: pathOf(images >> 1), base: pathOf((images >> 1) - 1) }, offline))

const planPull = (chain: Chain, images: number): unknown => right(pull(chain, { into: pathOf(images - 1) }, offline))

interface Row {
  readonly size: number
  readonly parseMs: number
  readonly ms: ReadonlyArray<number>
}

const table = (title: string, columns: ReadonlyArray<string>, rows: ReadonlyArray<Row>): void => {
  console.log(`\n${title}`)
  const head = ['size', 'JSON.parse ms', ...columns.flatMap((column) => [`${column} ms`, 'ratio', 'growth'])]
  const lines = rows.map(({ size, parseMs, ms }, index) => [
    size.toLocaleString('en'),
    parseMs.toFixed(3),
    ...ms.flatMap((each, column) => {
      const before = rows[index - 1]?.ms[column]
      return [each.toFixed(3), (each / parseMs).toFixed(2), before === undefined ? '' : (each / before).toFixed(1)]
    }),
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)))
  for (const line of [head, ...lines]) console.log(line.map((cell, at) => cell.padStart(widths[at] ?? 0)).join('  '))
}

const chains = [10, 100, 1_000, 10_000].map((size): Row => {
  const text = infoText(size)
  const chain = right(decodeBackingChain(text, { disk: 'vda' }))
  const decode = timeOf(() => decodeBackingChain(text, { disk: 'vda' }))
  const committing = timeOf(() => planCommit(chain, size))
  const pulling = timeOf(() => planPull(chain, size))
  const both = timeOf(() => planCommit(right(decodeBackingChain(text, { disk: 'vda' })), size))
  return { size, parseMs: timeOf(() => JSON.parse(text) as unknown), ms: [decode, committing, pulling, both] }
})
table('Chains, by images', ['decode', 'plan a commit', 'plan a pull of all', 'decode and plan'], chains)

const folds = [1_000, 10_000, 100_000, 1_000_000].map((size): Row => {
  const layers = layersOf(size)
  const text = JSON.stringify(layers)
  return { size, parseMs: timeOf(() => JSON.parse(text) as unknown), ms: [timeOf(() => product(layers))] }
})
table('Folds of ten layers, by runs', ['product'], folds)
