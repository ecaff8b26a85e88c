// Random trees and random requests on every host. BC_REAL_SEED and BC_REAL_COUNT choose them; the same seed gives the same
// ones again, and a failure says which it was.

import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { chown, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import {
  addOverlay,
  capabilitiesOfVersions,
  commit,
  copy,
  equalViews,
  printChain,
  pull,
  rename,
  viewOf,
} from 'backing-chain'
import type { Chain, Contents, Hypervisor, NewImage, Plan, Refusal } from 'backing-chain'
import {
  arbitraryAddOverlayRequest,
  arbitraryChain,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPullRequest,
  arbitraryRenameRequest,
} from 'backing-chain/testing'
import { listen, type Events } from './harness/execute-virsh.js'
import { runPlan, type Stage } from './harness/stage.js'
import { definedStage, libvirtStage } from './harness/stage-libvirt.js'
import { qemuImgStage } from './harness/stage-qemu-img.js'
import { fullVersion, qmpStage } from './harness/stage-qmp.js'
import { storageDaemonStage } from './harness/stage-storage-daemon.js'
import { right, type TreeOptions } from './harness/tree.js'
import { qemuVersions } from './lab/binaries.js'
import { cellBytes, createImage } from './lab/images.js'
import { startLibvirt, type Libvirt } from './lab/libvirtd.js'

const seed = Number(process.env['BC_REAL_SEED'] ?? 20261121)
const count = Number(process.env['BC_REAL_COUNT'] ?? 100)

/** A tree as a line of notation, and a request that gives a plan. */
interface Random {
  readonly notation: string
  readonly chain: Chain
  readonly contents: Contents
  readonly headers: 'absolute' | 'relative'
  readonly nodes: 'monitor' | 'implicit'
  readonly request: string
  readonly plan: (chain: Chain, hypervisor: Hypervisor, folder: string) => E.Either<Refusal, Plan>
}

const moved = (image: NewImage, folder: string): NewImage => ({
  ...image,
  location: { _tag: 'File', path: join(folder, image.name) },
  ...(image.header === undefined ? {} : { header: image.header.replace(/^\/images/, folder) }),
})

/** Makes the images and folders that a plan wants to find: what lies in a whole image is to be written over. */
const makeBefore = async (plan: Plan): Promise<void> => {
  for (const { call } of plan.steps)
    if (call._tag === 'Files' && call.operation === 'link') await mkdir(dirname(call.to), { recursive: true })
  for (const one of plan.assumes) {
    const image = one._tag === 'MadeBefore' ? plan.after.images.get(one.image) : undefined
    if (image?.location._tag !== 'File' || (image.format !== 'raw' && image.format !== 'qcow2')) continue
    const { location, format, sizeBytes, backing } = image
    const below = backing === undefined ? {} : { backing: { header: backing.header, format: backing.format } }
    const cells = backing === undefined ? 'z'.repeat(Math.ceil(sizeBytes / cellBytes)) : ''
    await createImage({ path: location.path, format, sizeBytes, cells, ...below })
    if (process.getuid?.() === 0) await chown(location.path, 65534, 65534)
  }
}

type Asked = Pick<Random, 'request' | 'plan'>

const arbitraryAsked = (chain: Chain): fc.Arbitrary<Asked> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: arbitraryCommitRequest(chain).map((request): Asked => {
        return {
          request: `commit ${JSON.stringify(request)}`,
          plan: (of, hypervisor) => commit(of, request, hypervisor),
        }
      }),
    },
    {
      weight: 4,
      arbitrary: arbitraryPullRequest(chain).map((request): Asked => {
        return { request: `pull ${JSON.stringify(request)}`, plan: (of, hypervisor) => pull(of, request, hypervisor) }
      }),
    },
    {
      weight: 3,
      arbitrary: arbitraryCopyRequest(chain).map((request): Asked => {
        const plan: Asked['plan'] = (of, hypervisor, folder) =>
          copy(of, { ...request, to: moved(request.to, folder) }, hypervisor)
        return { request: `copy ${JSON.stringify(request)}`, plan }
      }),
    },
    {
      weight: 2,
      arbitrary: arbitraryRenameRequest(chain).map((request): Asked => {
        const plan: Asked['plan'] = (of, hypervisor, folder) =>
          rename(of, { ...request, to: join(folder, request.to.replace(/^\/images/, '')) }, hypervisor)
        return { request: `rename ${JSON.stringify(request)}`, plan }
      }),
    },
    {
      weight: 1,
      arbitrary: arbitraryAddOverlayRequest(chain).map((request): Asked => {
        const plan: Asked['plan'] = (of, hypervisor, folder) =>
          addOverlay(of, { ...request, overlay: moved(request.overlay, folder) }, hypervisor)
        return { request: `addOverlay ${JSON.stringify(request)}`, plan }
      }),
    },
  )

const arbitraryRandom: fc.Arbitrary<Random> = fc
  .record({ headers: fc.constantFrom('absolute', 'relative'), nodes: fc.constantFrom('monitor', 'implicit') })
  .chain(({ headers, nodes }) =>
    arbitraryChain({ headers, nodes, maxImages: 6, maxClusters: 8 }).chain(({ chain, contents }) =>
      arbitraryAsked(chain).map((asked) => ({
        ...asked,
        notation: printChain(chain, { contents }),
        chain,
        contents,
        headers,
        nodes,
      })),
    ),
  )

/** A copy onto a chain that shows something else is not what its caller promised. */
const isPromised = ({ contents }: Random, plan: Plan): boolean =>
  plan.assumes.every((one) => {
    if (one._tag !== 'SameContents') return true
    const [left, rightView] = [one.left, one.right].map((image) => viewOf(plan.before, contents, image))
    return left !== undefined && rightView !== undefined && equalViews(left, rightView)
  })

/** The first so many of the seed's cases that give a plan there. */
const casesOf = (hypervisor: Hypervisor, many: number): ReadonlyArray<Random> =>
  fc
    .sample(arbitraryRandom, { seed, numRuns: many * 20 })
    .filter((one) => {
      const planned = one.plan(one.chain, hypervisor, '/images')
      return E.isRight(planned) && isPromised(one, planned.right)
    })
    .slice(0, many)

/** Runs them one by one; the guest writes in every other one. */
const runAll = async (
  hypervisor: Hypervisor,
  many: number,
  open: (one: Random, options: TreeOptions) => Promise<Stage>,
): Promise<void> => {
  for (const [index, one] of casesOf(hypervisor, many).entries()) {
    const where = `BC_REAL_SEED=${seed} BC_REAL_COUNT=${count}, number ${index}: ${one.notation}, ${one.headers}, ${one.nodes}, ${one.request}`
    const stage = await open(one, { headers: one.headers })
    try {
      const plan = right(one.plan(stage.chain, stage.hypervisor, stage.tree.folder))
      await makeBefore(plan)
      await runPlan(index % 2 === 0 ? stage : { ...stage, guest: undefined }, plan, index)
    } catch (error) {
      throw new Error(where, { cause: error })
    } finally {
      await stage.clear()
    }
  }
}

describe.each(qemuVersions)('random plans, QEMU %s', (version) => {
  const capabilities = capabilitiesOfVersions({ qemu: fullVersion[version] })

  it('through QMP', async () => {
    await runAll({ via: 'qmp', guest: 'running', capabilities }, count, (one, options) =>
      qmpStage(one.notation, { ...options, version, nodes: one.nodes }),
    )
  })

  it('with qemu-img', async () => {
    await runAll({ via: 'qemu-img', guest: 'shut-off', capabilities }, count, (one, options) =>
      qemuImgStage(one.notation, { ...options, version }),
    )
  })

  it('in a storage daemon', async () => {
    const daemon = { via: 'storage-daemon', guest: 'shut-off', capabilities, socket: '/run/any' } as const
    await runAll(daemon, Math.ceil(count / 2), (one, options) =>
      storageDaemonStage(one.notation, { ...options, version }),
    )
  })
})

describe('random plans, libvirt 11.3', () => {
  let libvirt: Libvirt
  let events: Events
  const capabilities = capabilitiesOfVersions({ qemu: '10.0.2', libvirt: '11.3.0' })

  beforeAll(async () => {
    libvirt = await startLibvirt()
    events = await listen(libvirt)
  })

  afterAll(async () => {
    events.stop()
    await libvirt.stop()
  })

  it('through virsh', async () => {
    const domain = { name: 'any', definition: 'persistent', otherDisks: [] } as const
    await runAll({ via: 'libvirt', guest: 'running', capabilities, domain }, Math.ceil(count / 4), (one, options) =>
      libvirtStage({ libvirt, events }, one.notation, options),
    )
  })

  it('with qemu-img and a definition that is mended', async () => {
    await runAll({ via: 'qemu-img', guest: 'shut-off', capabilities }, Math.ceil(count / 6), (one, options) =>
      definedStage(libvirt, one.notation, { ...options, stored: 'chain' }),
    )
  })
})
