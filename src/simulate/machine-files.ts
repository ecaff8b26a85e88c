import * as E from 'fp-ts/lib/Either.js'

import type { FileCall } from '../call/files.js'
import { unmodelled } from './fault.js'
import { headerPath, inodeOf, keyOf } from './files.js'
import { inWorld } from './machine-process.js'
import type { MachineOutcome } from './machine-process.js'
import { diskWhere } from './machine-world.js'
import type { MachineWorld } from './machine-world.js'
import { performFiles } from './perform-files.js'
import { parseArgv } from './qemu-img-argv.js'
import type { Parsed } from './qemu-img-argv.js'
import { performQemuImg } from './qemu-img.js'

/** The disk that has a file of that path. */
export const diskOfPath = (machine: MachineWorld, path: string): string | undefined =>
  diskWhere(machine, (world) => inodeOf(world, path.replace(/^file:/, '')) !== undefined)

const refused = (desc: string): MachineOutcome => E.left({ _tag: 'Refused', by: 'file system', class: 'errno', desc })

/** What `unlink(2)`, `rename(2)` and `link(2)` do to a file of saved memory. */
const onMemory = (machine: MachineWorld, call: FileCall, memory: string): MachineOutcome => {
  const memoryFiles = new Map(machine.memoryFiles)
  if (call.operation !== 'link') memoryFiles.delete(keyOf(call.path))
  if (call.operation !== 'remove') {
    if (call.operation === 'link' && memoryFiles.has(keyOf(call.to))) return refused(`${call.to}: File exists`)
    memoryFiles.set(keyOf(call.to), memory)
  }
  return E.right({ ...machine, memoryFiles })
}

/** `unlink(2)`, `rename(2)` and `link(2)`, wherever the file is. */
export const performMachineFiles = (machine: MachineWorld, call: FileCall): MachineOutcome => {
  const disk = diskOfPath(machine, call.path)
  const memory = machine.memoryFiles.get(keyOf(call.path))
  const other = call.operation === 'remove' ? undefined : diskOfPath(machine, call.to)
  if (other !== undefined && other !== disk) return unmodelled(`${call.path} over a file of disk ${other}`)
  if (disk !== undefined) return inWorld(machine, disk, (world) => performFiles(world, call))
  if (call.operation === 'remove' && machine.saved.has(keyOf(call.path))) {
    const saved = new Map(machine.saved)
    saved.delete(keyOf(call.path))
    return E.right({ ...machine, saved })
  }
  return memory === undefined ? refused(`${call.path}: No such file or directory`) : onMemory(machine, call, memory)
}

/** The disk that a run of qemu-img is about; nothing where it makes an image and nobody says for which. */
const diskOfRun = (
  machine: MachineWorld,
  { command, operands, options }: Parsed,
  hint: string | undefined,
): string | undefined => {
  const [first = ''] = operands
  const found = diskOfPath(machine, first)
  const backing = options.get('-b')
  const [only, another] = machine.worlds.keys()
  if (found !== undefined) return found
  if (command !== 'create') return hint ?? only
  const below = backing === undefined ? undefined : diskOfPath(machine, headerPath(first, backing))
  return below ?? hint ?? (another === undefined ? only : undefined)
}

/** Carries out one run of qemu-img where its first image is; a new image goes to the disk of its backing file, or to `disk`. */
export const performMachineQemuImg = (
  machine: MachineWorld,
  argv: ReadonlyArray<string>,
  disk?: string,
): MachineOutcome => {
  const parsed = parseArgv(argv)
  if (E.isLeft(parsed)) return parsed
  const { command, operands } = parsed.right
  const [first = '', second] = operands
  const found = diskOfRun(machine, parsed.right, disk)
  if (found === undefined) return unmodelled(`${first}: nobody says to which disk it belongs`)
  const to = command === 'convert' && second !== undefined ? diskOfPath(machine, second) : undefined
  if (to !== undefined && to !== found) return unmodelled(`${second ?? ''} is a file of disk ${to}`)
  return inWorld(machine, found, (world) => performQemuImg(world, argv))
}
