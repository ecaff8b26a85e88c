import * as E from 'fp-ts/lib/Either.js'

import type { HandOverCall, HostCall } from '../call/host.js'
import { unmodelled } from './fault.js'
import type { Fault } from './fault.js'
import { keyOf } from './files.js'
import {
  copyFile,
  copyFolder,
  dropFile,
  dropFolder,
  isFolder,
  moveFolder,
  orElse,
  overwriteFile,
} from './machine-copies.js'
import { diskOfPath } from './machine-files.js'
import type { MachineOutcome } from './machine-process.js'
import { guestOf } from './machine-world.js'
import type { MachineStorage, MachineWorld } from './machine-world.js'

const fault = (kind: string, desc: string): Fault<never> => ({ _tag: 'Refused', by: 'host', class: kind, desc })
const refused = (kind: string, desc: string): MachineOutcome => E.left(fault(kind, desc))

const withStorage = (machine: MachineWorld, change: Partial<MachineStorage>): MachineWorld => ({
  ...machine,
  storage: { ...machine.storage, ...change },
})

const valued: ReadonlySet<string> = new Set(['--size', '--name', '--setactivationskip', '--activate', '--options'])

/** The options of an LVM program, and what it is about. */
const lvmArguments = (args: ReadonlyArray<string>) => {
  const options = new Map<string, string>()
  const operands: Array<string> = []
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? ''
    if (!word.startsWith('--')) operands.push(word)
    else if (valued.has(word)) options.set(word, args[(at += 1)] ?? '')
    else options.set(word, '')
  }
  return { options, volume: operands.at(-1) ?? '' }
}

const unknownVolume = (volume: string): MachineOutcome => refused('exit 5', `Failed to find logical volume "${volume}"`)

const deviceOf = (volume: string): string => `/dev/${volume}`

const lvcreate = (machine: MachineWorld, args: ReadonlyArray<string>): MachineOutcome => {
  const { options, volume } = lvmArguments(args)
  const { volumes } = machine.storage
  const [group = ''] = volume.split('/')
  const copy = `${group}/${options.get('--name') ?? ''}`
  if (!options.has('--snapshot')) return unmodelled('a volume that is no snapshot')
  if (!volumes.has(volume)) return unknownVolume(volume)
  if (volumes.has(copy))
    return refused(
      'exit 5',
      `Logical Volume "${options.get('--name') ?? ''}" already exists in volume group "${group}"`,
    )
  const made = copyFile(machine, deviceOf(volume), { path: deviceOf(copy), access: 'read-write' })
  if (made === undefined) return unmodelled(`a volume that no disk is on: ${volume}`)
  return E.right(withStorage(made, { volumes: new Map(volumes).set(copy, volume) }))
}

const withoutVolume = (machine: MachineWorld, volume: string): MachineWorld => {
  const volumes = new Map(machine.storage.volumes)
  volumes.delete(volume)
  return withStorage(dropFile(machine, deviceOf(volume)), { volumes })
}

/** A merge into a volume that is in use is put off until its next activation. */
const lvconvert = (machine: MachineWorld, args: ReadonlyArray<string>): MachineOutcome => {
  const { options, volume } = lvmArguments(args)
  const origin = machine.storage.volumes.get(volume)
  if (!options.has('--merge')) return unmodelled('a conversion that is no merge')
  if (!machine.storage.volumes.has(volume)) return unknownVolume(volume)
  if (origin === undefined) return refused('exit 5', `"${volume}" is not a mergeable logical volume.`)
  if (guestOf(machine) !== 'shut-off') return unmodelled('a merge into a volume that is in use')
  const merged = overwriteFile(machine, deviceOf(volume), deviceOf(origin))
  return merged === undefined ? unmodelled('a merge') : E.right(withoutVolume(merged, volume))
}

const lvm = (machine: MachineWorld, [program, ...args]: HostCall['argv']): MachineOutcome => {
  if (program === 'lvcreate') return lvcreate(machine, args)
  if (program === 'lvconvert') return lvconvert(machine, args)
  const { options, volume } = lvmArguments(args)
  if (!machine.storage.volumes.has(volume)) return unknownVolume(volume)
  if (program === 'lvremove') return E.right(withoutVolume(machine, volume))
  const inUse = program === 'lvchange' && options.get('--activate') === 'n' && guestOf(machine) !== 'shut-off'
  return inUse ? refused('exit 5', `Logical volume ${volume} in use.`) : E.right(machine)
}

const noSubvolume = (): MachineOutcome => refused('exit 1', 'ERROR: Not a Btrfs subvolume: Invalid argument')

const snapshotSubvolume = (machine: MachineWorld, args: ReadonlyArray<string>): MachineOutcome => {
  const [from = '', to = ''] = args.filter((word) => word !== '-r')
  const { subvolumes } = machine.storage
  if (!subvolumes.has(keyOf(from))) return noSubvolume()
  if (subvolumes.has(keyOf(to)) || isFolder(machine, to)) return unmodelled(`a snapshot inside ${to}`)
  const access = args.includes('-r') ? 'read-only' : 'read-write'
  const made = copyFolder(machine, from, { path: to, access })
  return E.right(withStorage(made, { subvolumes: new Set(subvolumes).add(keyOf(to)) }))
}

const btrfs = (machine: MachineWorld, args: ReadonlyArray<string>): MachineOutcome => {
  const [object, verb, ...rest] = args
  const { subvolumes } = machine.storage
  if (object !== 'subvolume') return unmodelled(`btrfs ${object ?? ''}`)
  if (verb === 'snapshot') return snapshotSubvolume(machine, rest)
  const at = keyOf(rest.at(-1) ?? '')
  if (!subvolumes.has(at)) return noSubvolume()
  if (verb === 'show') return E.right(machine)
  if (verb !== 'delete') return unmodelled(`btrfs subvolume ${verb ?? ''}`)
  const left = new Set(subvolumes)
  left.delete(at)
  return E.right(withStorage(dropFolder(machine, at), { subvolumes: left }))
}

const moveSubvolume = (machine: MachineWorld, from: string, to: string): MachineOutcome => {
  const { subvolumes } = machine.storage
  if (!subvolumes.has(keyOf(from))) return refused('exit 1', `mv: cannot stat '${from}': No such file or directory`)
  if (subvolumes.has(keyOf(to)) || isFolder(machine, to)) return unmodelled(`a folder moved over ${to}`)
  const left = new Set(subvolumes)
  left.delete(keyOf(from))
  return E.right(withStorage(moveFolder(machine, from, to), { subvolumes: left.add(keyOf(to)) }))
}

/** Carries out one run of a program of the host. None of them asks who has open what it copies: what QEMU has not flushed is not in it. */
export const performHost = (machine: MachineWorld, argv: HostCall['argv']): MachineOutcome => {
  const [program, ...args] = argv
  const files = args.filter((word) => !word.startsWith('-'))
  const [from = '', to = ''] = files
  const absent = (verb: string): Fault<never> =>
    fault('exit 1', `${program}: cannot ${verb} '${from}': No such file or directory`)
  switch (program) {
    case 'btrfs':
      return btrfs(machine, args)
    case 'cp':
      return orElse(copyFile(machine, from, { path: to, access: 'read-write' }), absent('stat'))
    case 'sync':
      return files.every((file) => diskOfPath(machine, file) !== undefined) ? E.right(machine) : E.left(absent('open'))
    case 'mv':
      return moveSubvolume(machine, from, to)
    case 'lvchange':
    case 'lvconvert':
    case 'lvcreate':
    case 'lvextend':
    case 'lvremove':
    case 'lvs':
      return lvm(machine, argv)
  }
}

const handedTo = ({ level, disk, snapshot }: HandOverCall): string => `/handed-over/${level}/${snapshot}/${disk}`

/** What somebody else does: as well as it can be done, with what is on disk. */
export const performHandOver = (machine: MachineWorld, call: HandOverCall): MachineOutcome => {
  const { handedOver } = machine.storage
  const at = handedTo(call)
  const kept = new Map(handedOver)
  if (call.task === 'take') {
    const made = copyFile(machine, call.path, { path: at, access: 'read-only' })
    if (made === undefined) return unmodelled(`what is at ${call.path}`)
    return E.right(withStorage(made, { handedOver: kept.set(at, call.path) }))
  }
  if (!handedOver.has(at)) return refused('handed over', `there is no snapshot ${call.snapshot}`)
  if (call.task === 'revert') {
    const back = overwriteFile(machine, at, call.path)
    return back === undefined ? unmodelled(`what is at ${call.path}`) : E.right(back)
  }
  kept.delete(at)
  return E.right(withStorage(dropFile(machine, at), { handedOver: kept }))
}
