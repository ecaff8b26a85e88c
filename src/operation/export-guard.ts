import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'

import type { Machine } from '../model/machine.js'
import { owed } from '../model/owed.js'
import { refuseMachine } from '../plan/machine-refusal.js'
import type { MachineRefusal } from '../plan/machine-refusal.js'
import { dataGuard } from './copied-data.js'
import type { ExportAsked } from './export-copy.js'
import { firstRefusal } from './guard.js'
import type { Guard } from './guard.js'
import { devicesGuard } from './machine-device.js'
import { agentGuard, machineJobGuard, savedGuard, viaGuard } from './machine-guard.js'
import type { ExportRequest } from './machine-request.js'
import { newFilesGuard, pathsOfImages } from './taken-path.js'

type Removal = ExportRequest['removal'] & string

/** The way that is taken, and when what is temporary goes. */
export interface ExportWay {
  readonly way: 'copy' | 'backup' | 'overlay' | 'inside' | 'saved'
  readonly removal: Removal | undefined
}

const removals: { readonly [W in ExportWay['way']]: ReadonlyArray<Removal> } = {
  copy: [],
  backup: [],
  overlay: [],
  inside: ['at once', 'next stop'],
  saved: ['next stop', 'first pause', 'second pause'],
}

/** The way that a request comes to. */
export const exportWay = ({ state }: Machine, { way = 'auto', removal }: ExportRequest): ExportWay => {
  if (state === 'shut-off') return { way: 'copy', removal }
  const chosen = way === 'auto' ? 'backup' : way
  return { way: chosen, removal: removal ?? removals[chosen][0] }
}

/** An export of a machine that is asked for. */
interface ExportJob extends ExportAsked {
  readonly machine: Machine
}

type ExportGuard = Guard<ExportJob, MachineRefusal>

const selectionGuard: ExportGuard = ({ machine, request }) => {
  if (request.to.size === 0) return refuseMachine({ _tag: 'NothingSelected' })
  const unknown = [...request.to.keys(), ...(request.overlays?.keys() ?? [])].find((disk) => !machine.disks.has(disk))
  return unknown === undefined
    ? devicesGuard(machine, request.devices)
    : refuseMachine({ _tag: 'DiskNotFound', disk: unknown })
}

const only: { readonly [W in 'inside' | 'saved']: readonly ['libvirt' | 'qmp', string] } = {
  inside: ['qmp', 'libvirt keeps nothing inside the images of a guest that runs without its memory'],
  saved: ['libvirt', 'only libvirt keeps the memory of a guest'],
}

const notThisWay = ({ host: { via } }: ExportAsked, why: string): MachineRefusal =>
  refuseMachine({ _tag: 'NotThisWay', via, why })

const wayGuard: ExportGuard = (asked) => {
  const { machine, request, host } = asked
  const { via } = host
  if (via === 'storage-daemon') return notThisWay(asked, 'an export of a guest that is shut off needs no block job')
  const { way } = exportWay(machine, request)
  if (way === 'copy' && request.way !== undefined && request.way !== 'auto')
    return refuseMachine({ _tag: 'GuestStateWrong', via, guest: machine.state, needs: ['running', 'paused'] })
  return (way === 'inside' || way === 'saved') && only[way][0] !== via ? notThisWay(asked, only[way][1]) : undefined
}

/** What a way has no use for would be left out in silence. */
const optionGuard: ExportGuard = (asked) => {
  const { machine, request } = asked
  const { way, removal } = exportWay(machine, request)
  const allowed = removals[way]
  if (removal !== undefined && !allowed.includes(removal))
    return notThisWay(
      asked,
      allowed.length === 0
        ? 'nothing is left inside an image that had to be removed'
        : `what is inside is removed ${allowed.map((one) => JSON.stringify(one)).join(' or ')}, and not ${JSON.stringify(removal)}`,
    )
  if (way !== 'overlay' && request.overlays !== undefined) return notThisWay(asked, 'no overlays are made in this way')
  if (way !== 'overlay' && (request.devices ?? []).length > 0)
    return notThisWay(asked, 'nothing is committed in this way')
  if ((request.quiesce ?? 'no') === 'no') return undefined
  if (way === 'backup' && asked.host.via === 'libvirt')
    return notThisWay(asked, 'the file systems would stay frozen until libvirt has copied everything')
  return way === 'saved' || way === 'copy'
    ? notThisWay(asked, 'nothing freezes the file systems of the guest in this way')
    : undefined
}

/** libvirt's backup has neither: its XML has no word for it. */
const copyGuard: ExportGuard = (asked) => {
  const { machine, request, host } = asked
  const own = host.via === 'libvirt' && exportWay(machine, request).way === 'backup'
  if (own && request.data === 'compressed') return notThisWay(asked, 'libvirt has nothing compressed in a backup')
  return own && request.bytesPerSecond !== undefined
    ? notThisWay(asked, 'libvirt begins a backup with no limit to its rate')
    : dataGuard(request, host)
}

/** An overlay that nobody asked for would be left out in silence. */
const overlayGuard: ExportGuard = (asked) => {
  const { to, overlays } = asked.request
  const other = Array.from(overlays?.keys() ?? []).find((disk) => !to.has(disk))
  return other === undefined ? undefined : notThisWay(asked, `${other} is not exported, and gets no overlay`)
}

/** What is owed already, and what would be then. */
const owedGuard: ExportGuard = (asked) => {
  const { machine, request } = asked
  const { removal } = exportWay(machine, request)
  const { mostOwed = 1 } = request
  if (removal === 'next stop' && !(mostOwed >= 1))
    return notThisWay(asked, 'a deletion would be owed, and none may be: it can be made at once, or in a pause')
  const all = owed(machine)
  const disks = Array.from(machine.disks.keys())
  const names = new Set(all.map(({ snapshot }) => snapshot))
  // One export leaves one name on each disk; the name can be another one's again, in another image.
  const count = Math.max(names.size, ...disks.map((disk) => all.filter((one) => one.disk === disk).length))
  return removal === 'next stop' && isNonEmpty(all) && count >= mostOwed
    ? refuseMachine({ _tag: 'OwedTooMany', owed: all, most: mostOwed }, [
        { _tag: 'Settle', event: machine.state === 'shut-off' ? 'stopped' : 'now' },
      ])
    : undefined
}

const pathGuard: ExportGuard = ({ machine, request: { to, reserved } }) =>
  newFilesGuard(machine, pathsOfImages(to), reserved)

const freezeGuard: ExportGuard = ({ machine, request, host }) =>
  machine.state === 'running' && request.quiesce === 'require' ? agentGuard(host) : undefined

const guards: ReadonlyArray<ExportGuard> = [
  selectionGuard,
  ({ machine, host }) => viaGuard(machine, host),
  wayGuard,
  optionGuard,
  overlayGuard,
  copyGuard,
  ({ request, host }) => machineJobGuard(host, request.to.keys()),
  ({ machine, host }) => savedGuard(machine, host),
  owedGuard,
  freezeGuard,
  pathGuard,
]

/** The reasons against an export that do not depend on what its stages do. */
export const exportGuard: ExportGuard = (job) => firstRefusal(guards, job)
