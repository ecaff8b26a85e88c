// Executes plans over a QMP socket.

import { judgeQmpJob } from 'backing-chain'
import type { ReportedJob, Wait } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { fields, isFields, list, optional, parseJson, text, type Fields } from '../lab/json.js'
import { jobStatus, type Qmp } from '../lab/qmp.js'
import { fileCall, judgeChain, qemuImgCall, type Seen } from './files.js'
import type { Host, Settled } from './steps.js'

/** The virtio device by which query-block lists a disk. */
export const qdevOf = (device: string): string => `/machine/peripheral/${device}/virtio-backend`

const descend = (options: Fields): Fields => (isFields(options['file']) ? descend(options['file']) : options)

/** The path in a file name as QEMU reports it, which may be a `json:` description of nodes; innermost. */
export const plainPath = (filename: string): string => {
  if (!filename.startsWith('json:')) return filename
  const options = fields(parseJson(filename.slice('json:'.length)))
  const dotted = options['file.filename'] ?? options['file.file.filename']
  return text(dotted ?? descend(options)['filename'])
}

const filters = new Set(['throttle', 'copy-on-read', 'commit', 'mirror_top', 'preallocate', 'compress'])

/** The chain that query-block reports under a device, base first, with filters left out. */
export const chainOfQueryBlock = (reply: unknown, device: string): ReadonlyArray<Seen> => {
  const disk = list(reply)
    .map(fields)
    .find(({ qdev }) => qdev === qdevOf(device))
  const seen: Seen[] = []
  for (let image = fields(disk?.['inserted'])['image']; image !== undefined; image = fields(image)['backing-image']) {
    const { format, filename } = fields(image)
    seen.unshift({ format: text(format), path: plainPath(text(filename)) })
  }
  return seen.filter(({ format }) => !filters.has(format))
}

const reportedJob = (reply: unknown): ReportedJob => {
  const job = fields(reply)
  const error = optional(text, job['error'])
  return { id: text(job['id']), status: text(job['status']), ...(error === undefined ? {} : { error }) }
}

/** What query-jobs lists now. */
export const jobsOf = async (qmp: Qmp): Promise<ReadonlyArray<ReportedJob>> =>
  list(await qmp.ask('query-jobs')).map(reportedJob)

/** Waits for a job: whenever its status changes, query-jobs is what counts. */
export const waitJob = async (qmp: Qmp, wait: Wait & { readonly _tag: 'QmpJob' }, since: number): Promise<Settled> => {
  for (let from = since; ;) {
    const jobs = await jobsOf(qmp)
    const state = judgeQmpJob(wait, jobs)
    if (state !== 'waiting') return { state, seen: JSON.stringify(jobs) }
    const event = await qmp.waitEvent(
      ({ event: name, data }) => name === 'JOB_STATUS_CHANGE' && data['id'] === wait.job,
      { from, timeoutMs: 60_000 },
    )
    from = qmp.events.indexOf(event) + 1
  }
}

/** A host that is a QMP socket, with qemu-img of the same version beside it. */
export const qmpHost = (qmp: Qmp, device: string, version: QemuVersion): Host => ({
  mark: () => qmp.events.length,
  call: async (call) => {
    switch (call._tag) {
      case 'Qmp':
        return qmp.ask(call.command.execute, 'arguments' in call.command ? call.command.arguments : undefined)
      case 'QemuImg':
        return qemuImgCall(call, version)
      case 'Files':
        return fileCall(call)
      case 'Libvirt':
        throw new Error('there is no libvirt here')
      case 'StorageDaemon':
        throw new Error('nobody starts a storage daemon here')
      case 'Agent':
      case 'Host':
      case 'HandOver':
        throw new Error('there is no agent here')
    }
  },
  wait: async (wait, { reply, since }) => {
    switch (wait._tag) {
      case 'QmpJob':
        return waitJob(qmp, wait, since)
      case 'ChainIs':
        return judgeChain(wait, chainOfQueryBlock(reply, device))
      case 'LibvirtJob':
      case 'LibvirtJobs':
      case 'Daemon':
        throw new Error('there is neither libvirt nor a storage daemon here')
    }
  },
})

export { jobStatus }
