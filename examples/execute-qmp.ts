// Executes a plan on a QMP socket, waiting as the plan says.
//
//     npx tsx examples/execute-qmp.ts SOCKET commit TOP BASE [pivot|keep]
//     npx tsx examples/execute-qmp.ts SOCKET pull INTO [BASE]
//
// plans and executes on the first disk of that QEMU; images are named by their paths. Files of images that nobody reads
// afterwards are kept.

import { once } from 'node:events'
import { createConnection } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { capabilitiesOfVersions, commit, explain, explainRefusal, judgeQmpJob, pull, withSchema } from 'backing-chain'
import type { Chain, Plan, QmpHypervisor, ReportedJob, Step } from 'backing-chain'
import { chainOfNodes, decodeNamedBlockNodes, decodeQmpSchema, decodeQueryBlock } from 'backing-chain/codec'
import { expectChain, runArgv, say, touchFile } from './steps.js'
import { isEntry, requestOf, valueOf } from './arguments.js'

interface Monitor {
  readonly ask: (command: object) => Promise<unknown>
  readonly close: () => void
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** A monitor that takes one command at a time. Events are read over: `query-jobs` says what counts. */
const connect = async (socketPath: string): Promise<Monitor> => {
  const socket = createConnection(socketPath).setEncoding('utf8')
  await once(socket, 'connect')
  const lines = linesOf(socket as AsyncIterable<string>)
  const ask = async (command: object): Promise<unknown> => {
    socket.write(`${JSON.stringify(command)}\n`)
    for (;;) {
      const next = await lines.next()
      if (next.done === true) throw new Error('the monitor is gone')
      const message = JSON.parse(next.value) as { return?: unknown; error?: { desc: string } }
      if (message.error !== undefined) throw new Error(`${JSON.stringify(command)}: ${message.error.desc}`)
      if ('return' in message) return message.return
    }
  }
  await ask({ execute: 'qmp_capabilities' })
  return { ask, close: () => socket.destroy() }
}

/** Waits until the step's wait is over; throws where it failed, or where nobody can say any more. */
const waitFor = async (monitor: Monitor, { until }: Step, reply: unknown): Promise<void> => {
  if (until?._tag === 'ChainIs') {
    const last = until.images.at(-1)?.location
    const roots = valueOf(decodeQueryBlock(reply)).flatMap(({ root }) => (root === undefined ? [] : [root]))
    const chains = roots.map(({ images }) => images.map(({ filename, format }) => ({ location: filename, format })))
    expectChain(until, chains.find((images) => images.at(-1)?.location === last) ?? [])
  }
  while (until?._tag === 'QmpJob') {
    const jobs = (await monitor.ask({ execute: 'query-jobs' })) as ReadonlyArray<ReportedJob>
    const state = judgeQmpJob(until, jobs)
    if (state === 'reached') return
    if (state !== 'waiting') throw new Error(`job ${until.job} is ${state}: ${JSON.stringify(jobs)}`)
    await delay(50)
  }
}

const perform = async (monitor: Monitor, { call }: Step): Promise<unknown> => {
  if (call._tag === 'Qmp') return monitor.ask(call.command)
  if (call._tag === 'QemuImg') return runArgv(call.argv)
  if (call._tag === 'Files') return touchFile(call)
  throw new Error(`a plan for a monitor has no ${call._tag} calls`)
}

/** Executes the steps of a plan one after the other. Stops, by throwing, at the first that does not end as planned. */
export const executeQmp = async (plan: Plan, socketPath: string): Promise<void> => {
  const monitor = await connect(socketPath)
  try {
    for (const step of plan.steps) {
      say(step)
      await waitFor(monitor, step, await perform(monitor, step))
    }
  } finally {
    monitor.close()
  }
}

/** What a planner needs to know of a running QEMU: the chain of its first disk, and what it can do. */
const observe = async (socketPath: string): Promise<{ chain: Chain; hypervisor: QmpHypervisor }> => {
  const monitor = await connect(socketPath)
  try {
    const nodes = valueOf(decodeNamedBlockNodes(await monitor.ask({ execute: 'query-named-block-nodes' })))
    const [disk] = valueOf(decodeQueryBlock(await monitor.ask({ execute: 'query-block' })))
    const chain = valueOf(chainOfNodes(nodes, { disk: 'disk0', root: disk?.root?.name ?? '' }))
    const { qemu } = (await monitor.ask({ execute: 'query-version' })) as { qemu: Record<'major' | 'minor', number> }
    const { status } = (await monitor.ask({ execute: 'query-status' })) as { status: string }
    const schema = valueOf(decodeQmpSchema(await monitor.ask({ execute: 'query-qmp-schema' })))
    const capabilities = withSchema(capabilitiesOfVersions({ qemu: `${qemu.major}.${qemu.minor}` }), schema)
    return { chain, hypervisor: { via: 'qmp', guest: status === 'running' ? 'running' : 'paused', capabilities } }
  } finally {
    monitor.close()
  }
}

if (isEntry(import.meta.url)) {
  const [socketPath = '', ...words] = process.argv.slice(2)
  const { chain, hypervisor } = await observe(socketPath)
  const asked = requestOf(words)
  const planned =
    asked.kind === 'pull' ? pull(chain, asked.request, hypervisor) : commit(chain, asked.request, hypervisor)
  const plan = valueOf(planned, explainRefusal)
  console.log(explain(plan))
  await executeQmp(plan, socketPath)
}
