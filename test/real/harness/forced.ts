// Calls that our plans never make, made on purpose.

import { setTimeout as delay } from 'node:timers/promises'
import { readCells, readHeader } from '../lab/images.js'
import type { Qemu } from '../lab/qemu.js'
import type { Qmp } from '../lab/qmp.js'
import { jobsOf } from './execute-qmp.js'
import type { QmpStage } from './stage-qmp.js'
import { pathOf, type Tree } from './tree.js'

/** Waits until query-jobs shows the job with that status. */
export const untilJob = async (qmp: Qmp, id: string, status: string): Promise<void> => {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await delay(2)) {
    const job = (await jobsOf(qmp)).find((one) => one.id === id)
    if (job?.status === status) return
    if (job?.status === 'concluded') throw new Error(`job ${id}: ${JSON.stringify(job)}`)
  }
  throw new Error(`job ${id} does not get ${status}`)
}

/** Starts a job that stays when it has concluded, waits for that and dismisses it. */
export const runJob = async (qmp: Qmp, command: string, args: object, until = 'concluded'): Promise<void> => {
  await qmp.ask(command, { 'job-id': 'forced', 'auto-dismiss': false, ...args })
  await untilJob(qmp, 'forced', until)
  if (until !== 'concluded') {
    await qmp.ask('job-complete', { id: 'forced' })
    await untilJob(qmp, 'forced', 'concluded')
  }
  await qmp.ask('job-dismiss', { id: 'forced' })
}

/** The signal that ended a QEMU that is about to crash. */
export const signalOf = async (qemu: Qemu): Promise<string | undefined> => {
  const waited = new AbortController()
  const late = delay(20_000, 'none: it runs on', { signal: waited.signal }).catch(() => 'none')
  const signal = await Promise.race([qemu.exited.then((exit) => exit.signal), late])
  waited.abort()
  return signal
}

/** The path of an image of a tree. */
export const fileOf = (tree: Tree, name: string): string => {
  const image = tree.images.find((one) => one.name === name)
  if (image === undefined) throw new Error(`no image ${name}`)
  return pathOf(image)
}

/** What an image of a tree shows now. */
export const shown = (tree: Tree, name: string): Promise<string> => {
  const format = tree.images.find((image) => image.name === name)?.format ?? 'qcow2'
  return readCells(fileOf(tree, name), format)
}

/** The backing string of an image of a tree. */
export const headerOf = async (tree: Tree, name: string): Promise<string | undefined> =>
  (await readHeader(fileOf(tree, name))).backing

/** Runs something on a stage that is cleared in the end. */
export const on = async <S extends { readonly clear: () => Promise<void> }>(
  opening: Promise<S>,
  act: (stage: S) => Promise<void>,
): Promise<void> => {
  const stage = await opening
  try {
    await act(stage)
  } finally {
    await stage.clear()
  }
}

/** The nodes of a stage, by image: the format node's name. */
export const nodeOf = (stage: QmpStage, name: string): string => {
  const node = stage.chain.images.get(name)?.node
  if (node === undefined) throw new Error(`no node for ${name}`)
  return node.format
}
