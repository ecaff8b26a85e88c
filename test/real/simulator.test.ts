// The second witness against the third: the same calls in the simulator and on the real programs, flaws included. Requests
// go past the guards, so that what QEMU does to a chain that our plans refuse is compared too.

import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it } from 'vitest'
import { capabilitiesOfVersions, locationString, patternOfLayer, printChain } from 'backing-chain'
import type { Chain, CommitRequest, Contents, Hypervisor, Plan, PullRequest, Refusal } from 'backing-chain'
import { endOf, fileAt, fileView } from 'backing-chain/simulate'
import type { World } from 'backing-chain/simulate'
import { arbitraryChain, simulate } from 'backing-chain/testing'
import { planCommit } from '../../src/operation/commit.js'
import { resolveCommit } from '../../src/operation/commit-job.js'
import { planPull } from '../../src/operation/pull.js'
import { resolvePull } from '../../src/operation/pull-job.js'
import { throughDaemon } from '../../src/operation/storage-daemon.js'
import { execute } from './harness/steps.js'
import type { Stage } from './harness/stage.js'
import { qemuImgStage } from './harness/stage-qemu-img.js'
import { qmpStage } from './harness/stage-qmp.js'
import { storageDaemonStage } from './harness/stage-storage-daemon.js'
import { right } from './harness/tree.js'
import { qemuVersions } from './lab/binaries.js'
import { readCells, readHeader, readMap } from './lab/images.js'

const seed = Number(process.env['BC_REAL_SEED'] ?? 20261121)
const capabilities = capabilitiesOfVersions({ qemu: '10.0.2' })
const count = Number(process.env['BC_REAL_COUNT'] ?? 50)

interface Forced {
  readonly notation: string
  readonly chain: Chain
  readonly contents: Contents
  readonly request: string
  readonly plan: (chain: Chain, hypervisor: Hypervisor) => E.Either<Refusal, Plan>
}

const forcedCommit =
  (request: CommitRequest): Forced['plan'] =>
  (chain, hypervisor) =>
    throughDaemon(chain, hypervisor, (opened) =>
      pipe(resolveCommit(opened, request, hypervisor), E.flatMap(planCommit)),
    )

const forcedPull =
  (request: PullRequest): Forced['plan'] =>
  (chain, hypervisor) =>
    throughDaemon(chain, hypervisor, (opened) => pipe(resolvePull(opened, request, hypervisor), E.flatMap(planPull)))

/** Chains of any sizes, and any commit or pull on them. */
const arbitraryForced: fc.Arbitrary<Forced> = fc
  .record({
    filled: arbitraryChain({ shape: 'path', maxImages: 5, maxClusters: 6 }),
    top: fc.nat({ max: 4 }),
    base: fc.nat({ max: 4 }),
    kind: fc.constantFrom('commit', 'pull'),
  })
  .map(({ filled: { chain, contents }, top, base, kind }) => {
    const names = Array.from(chain.images.keys())
    const [upper = '', lower = ''] = [names[top % names.length], names[base % names.length]]
    const end = upper === chain.active ? ({ end: 'pivot' } as const) : {}
    const request = kind === 'commit' ? { top: upper, base: lower, ...end } : { into: upper, base: lower }
    const plan = 'top' in request ? forcedCommit(request) : forcedPull(request)
    return {
      notation: printChain(chain, { contents }),
      chain,
      contents,
      request: `${kind} ${JSON.stringify(request)}`,
      plan,
    }
  })

/** An image of no size has no line of notation that says so; a request without a span has no plan. */
const canBeTried = ({ notation, chain, plan }: Forced): boolean =>
  !notation.includes('[]') && E.isRight(plan(chain, { via: 'qemu-img', guest: 'shut-off', capabilities }))

/** What the simulator has of a file: its own clusters, allocated or not, and what is read through it. */
const simulated = (world: World, path: string): { readonly own: string; readonly shown: string } => {
  const file = fileAt(world, path)
  const view = fileView(world, path)
  if (file === undefined || E.isLeft(view)) throw new Error(`the simulator has lost ${path}`)
  return { own: patternOfLayer(file.layer).replace(/[^-]/g, 'x'), shown: patternOfLayer(view.right) }
}

/** Executes a plan in both, and compares every file that is left: allocation, contents, size and header. */
const compareWorlds = async (stage: Stage, plan: Plan, contents: Contents): Promise<void> => {
  const trace = simulate(plan, contents, { guest: stage.hypervisor.guest })
  expect(trace.fault).toBeUndefined()
  const world: World = { ...endOf(trace), qemu: undefined }
  await execute(plan, stage.host)
  await stage.close()
  for (const { name, format, location } of plan.before.images.values()) {
    const path = locationString(location)
    const file = fileAt(world, path)
    const header = await readHeader(path, { version: stage.version })
    const real = {
      own: (await readMap(path, format, { version: stage.version })).replace(/[^-]/g, 'x'),
      shown: await readCells(path, format, { version: stage.version }),
    }
    expect({ name, ...real }).toStrictEqual({ name, ...simulated(world, path) })
    expect([name, header.sizeBytes]).toStrictEqual([name, file?.layer.sizeBytes])
    expect([name, header.backing]).toStrictEqual([name, file?.header?.string])
  }
}

/** The first so many cases of the seed that can be tried. */
const casesOf = (): ReadonlyArray<Forced> =>
  fc
    .sample(arbitraryForced, { seed, numRuns: count * 12 })
    .filter(canBeTried)
    .slice(0, count)

const compareAll = async (open: (one: Forced) => Promise<Stage>): Promise<number> => {
  let compared = 0
  for (const [index, one] of casesOf().entries()) {
    const stage = await open(one)
    try {
      compared += 1
      await compareWorlds(stage, right(one.plan(stage.chain, stage.hypervisor)), one.contents)
    } catch (error) {
      throw new Error(`BC_REAL_SEED=${seed}, number ${index}: ${one.notation}, ${one.request}`, { cause: error })
    } finally {
      await stage.clear()
    }
  }
  return compared
}

describe.each(qemuVersions)('the simulator does what QEMU %s does, also where our plans refuse', (version) => {
  it('through QMP', async () => {
    const compared = await compareAll(({ notation }) => qmpStage(notation, { version, nodes: 'monitor' }))
    expect(compared).toBe(count)
  }, 600_000)

  it('through qemu-img', async () => {
    const compared = await compareAll(({ notation }) => qemuImgStage(notation, { version }))
    expect(compared).toBe(count)
  }, 600_000)

  it('in a storage daemon', async () => {
    const compared = await compareAll(({ notation }) => storageDaemonStage(notation, { version }))
    expect(compared).toBe(count)
  }, 600_000)
})
