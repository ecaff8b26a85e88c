// At which level of the stack shall this snapshot be taken? Each disk says what it can, the caller what he likes best.
//
//     node examples/choose-a-level.ts [LEVEL ...]
//
// such as `Lvm Btrfs QemuExternal`, the most wanted first; that is also what is asked where nothing is given.

import {
  capabilitiesOfVersions,
  chain,
  explainMachineRefusal,
  machine,
  shellLine,
  snapshotAtLevel,
} from 'backing-chain'
import type { ImageDescription, LevelKind, MachineHost, StorageLevel } from 'backing-chain'
import { valueOf } from './arguments.js'

const kinds: ReadonlyArray<LevelKind> = ['QemuExternal', 'QemuInternal', 'Lvm', 'Btrfs', 'Reflink', 'Other']
const words = process.argv.slice(2)
const given = kinds.filter((kind) => words.includes(kind)).sort((a, b) => words.indexOf(a) - words.indexOf(b))
const prefer: ReadonlyArray<LevelKind> = given.length > 0 ? given : ['Lvm', 'Btrfs', 'QemuExternal']

const image = (name: string, format: 'raw' | 'qcow2', location: ImageDescription['location']): ImageDescription => ({
  ...{ name, format, location, sizeBytes: 10_737_418_240, otherReaders: [] },
  node: { format: `node-${name}`, storage: undefined, owner: 'monitor', filters: [] },
})
const system = image('system', 'qcow2', { _tag: 'File', path: '/vms/one/system.qcow2' })
const database = image('database', 'raw', { _tag: 'BlockDevice', path: '/dev/vg/database' })
const vm = valueOf(
  machine({
    name: 'one',
    state: 'running',
    disks: [valueOf(chain('vda', [system], 'system')), valueOf(chain('vdb', [database], 'database'))],
  }),
)

const levels = new Map<string, ReadonlyArray<StorageLevel>>([
  ['vda', [{ _tag: 'QemuExternal' }, { _tag: 'Btrfs', subvolume: '/vms/one', snapshots: '/vms/snapshots' }]],
  ['vdb', [{ _tag: 'QemuExternal' }, { _tag: 'Lvm', group: 'vg', volume: 'database', kind: 'thin' }]],
])
const host: MachineHost = { via: 'qmp', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) }

const level = snapshotAtLevel(vm, { name: 'monday', levels, prefer }, host)
if (level._tag === 'Left') console.log(explainMachineRefusal(level.left))
else {
  for (const [disk, chosen] of level.right.chosen) console.log(`${disk}: ${chosen._tag}`)
  for (const { disk, level: kind, why } of level.right.passedOver) console.log(`  not ${kind} for ${disk}: ${why._tag}`)
  console.log('\nThe calls:')
  for (const { call, why } of level.right.plan.steps) console.log(`# ${why}\n${shellLine(call)}`)
}
