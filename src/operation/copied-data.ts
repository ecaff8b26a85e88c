import type { Feature } from '../call/capability.js'
import type { MachineHost } from '../plan/machine-host.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { refuse } from '../plan/refusal.js'
import type { ExportRequest } from './machine-request.js'
import type { NewImage } from './request.js'

/** How the data of a copy are written, and how fast at most. */
export type CopiedData = Pick<ExportRequest, 'data' | 'bytesPerSecond'>

/** What of a request matters here. */
type DataRequest = CopiedData & Pick<ExportRequest, 'to'>

/** QEMU writes no cluster compressed that is there already: a backup job would fail with that, and with it the guest's write. */
const uncompressible = ({ format, made }: NewImage) => {
  if (format !== 'qcow2') return { why: 'format', detail: 'only qcow2 images hold compressed data' } as const
  const detail = 'compressed data are written to clusters that are not there yet, and it may have some'
  return made === 'before' ? ({ why: 'contents', detail } as const) : undefined
}

const compressedGuard = ({ to, data }: DataRequest): MachineRefusal | undefined => {
  if (data !== 'compressed') return undefined
  for (const [disk, wanted] of to) {
    const unfit = uncompressible(wanted)
    if (unfit === undefined) continue
    const refusal = refuse({ _tag: 'DestinationWrong', name: wanted.name, ...unfit })
    return refuseMachine({ _tag: 'DiskRefused', disk, refusal })
  }
  return undefined
}

const rateGuard = ({ bytesPerSecond: rate }: DataRequest, { via }: MachineHost): MachineRefusal | undefined =>
  rate === undefined || (Number.isSafeInteger(rate) && rate > 0)
    ? undefined
    : refuseMachine({ _tag: 'NotThisWay', via, why: `a rate is a whole number of bytes, 1 or more, and not ${rate}` })

/** Refuses a rate that is none, and images that cannot be written compressed. */
export const dataGuard = (request: DataRequest, host: MachineHost): MachineRefusal | undefined =>
  rateGuard(request, host) ?? compressedGuard(request)

/** What qemu-img is told of it. */
export const convertOptions = ({ data, bytesPerSecond }: CopiedData): ReadonlyArray<string> => [
  ...(data === 'compressed' ? ['-c'] : []),
  ...(bytesPerSecond === undefined ? [] : ['-r', String(bytesPerSecond)]),
]

/** What qemu-img has to be able to do for that. */
export const convertFeatures = ({ bytesPerSecond }: CopiedData): ReadonlyArray<Feature> =>
  bytesPerSecond === undefined ? [] : ['qemu-img-convert-rate']

/** What a backup job of QEMU's is told of it. */
export const jobOptions = ({ data, bytesPerSecond }: CopiedData) => ({
  ...(data === 'compressed' ? { compress: true } : {}),
  ...(bytesPerSecond === undefined ? {} : { speed: bytesPerSecond }),
})
