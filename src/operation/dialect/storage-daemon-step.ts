import { storageDaemonArgv } from '../../call/storage-daemon-argv.js'
import type { Chain } from '../../model/chain.js'
import type { StorageDaemonHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { openedNodes } from './storage-daemon-node.js'
import { chainIs, qmp } from './step.js'

/** Starts the daemon, with the chain open as a guest has it. */
const start = ({ socket }: StorageDaemonHypervisor, chain: Chain): Step => ({
  call: { _tag: 'StorageDaemon', argv: storageDaemonArgv({ blockdevs: openedNodes(chain), socket }) },
  until: { _tag: 'Daemon', socket, status: 'answers' },
  why: 'opens the chain as a guest would, and locks it; whatever comes of the plan, the daemon has to be told to quit',
})

const observe = (after: Chain): Step =>
  qmp(
    { execute: 'query-named-block-nodes', arguments: { flat: false } },
    'a job that is gone proves nothing: see that the chain is as planned; query-block shows nothing where there is no guest',
    chainIs(after),
  )

/** Ends the daemon, which flushes everything first. */
export const quitDaemon = (socket: string): Step => ({
  call: { _tag: 'Qmp', command: { execute: 'quit' }, socket },
  until: { _tag: 'Daemon', socket, status: 'gone' },
  why: 'what was written is on disk, and the locks are free, once the daemon has ended',
})

const to =
  (socket: string) =>
  (step: Step): Step =>
    step.call._tag === 'Qmp' ? { ...step, call: { ...step.call, socket } } : step

/** What a plan has a daemon do, from its start to its end: a job, and a look at what has come of it. */
export const inDaemon = (
  hypervisor: StorageDaemonHypervisor,
  { before, after, job }: { readonly before: Chain; readonly after: Chain; readonly job: ReadonlyArray<Step> },
): ReadonlyArray<Step> => [
  start(hypervisor, before),
  ...[...job, observe(after)].map(to(hypervisor.socket)),
  quitDaemon(hypervisor.socket),
]
