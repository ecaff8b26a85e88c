// Cleans up after somebody who has shortened a chain by hand. libvirt's block jobs never touch its snapshots, so the
// records go on naming files that are gone, and the next deletion or revert fails, or follows them into a loss.
//
//     npx tsx examples/clean-a-shortened-chain.ts                          # captured/shortened
//     npx tsx examples/clean-a-shortened-chain.ts FOLDER [TOP BASE]...     # a domain of yours: see domain-files.ts
//
// In captured/shortened somebody ran, on both disks:
//
//     virsh blockcommit vm vda --top /images/disk.tuesday --base /images/disk.monday --delete --wait
//
// Names tell that disk.tuesday has gone. They do not tell that disk.monday, which is still there, now shows what
// disk.tuesday showed. Who knows of the commit says so, as TOP and BASE; what is missing without one is taken for lost.
// No call of the plan touches a disk.

import { posix } from 'node:path'
import { capabilitiesOfVersions, explainMachine, explainMachineRefusal, forget, machine, redefine } from 'backing-chain'
import type { Machine, Snapshot, SnapshotDescription } from 'backing-chain'
import type { DecodedMachine, MachineFinding } from 'backing-chain/codec'
import { valueOf } from './arguments.js'
import { captured, readDomain } from './domain-files.js'
import { printCalls, printChains } from './print-plan.js'

/** A commit that was made by hand: what was in the top is in the base now, and what was in the base is nowhere. */
interface Commit {
  readonly top: string
  readonly base: string
}

type DiskDescription = readonly [string, { readonly mode: 'external'; readonly frozen?: string | undefined }]

const commitsOf = ([top, base, ...more]: ReadonlyArray<string>): ReadonlyArray<Commit> => {
  if (top === undefined) return []
  if (base === undefined) throw new Error('say TOP and BASE')
  return [{ top, base }, ...commitsOf(more)]
}

const missingPath = (findings: ReadonlyArray<MachineFinding>, snapshot: string, disk: string): string | undefined =>
  findings.flatMap((one) =>
    one._tag === 'PointMissing' && one.snapshot === snapshot && one.disk === disk ? [one.path] : [],
  )[0]

/** A snapshot whose external disks are where they are now, instead of where its record has them. */
const asItIs = (
  snapshot: Snapshot,
  { findings }: DecodedMachine,
  commits: ReadonlyArray<Commit>,
): SnapshotDescription => {
  const disks = Array.from(snapshot.disks).map(([disk, place]): DiskDescription => {
    if (place.mode !== 'external') throw new Error(`${snapshot.name}: this example knows of external snapshots alone`)
    const missing = missingPath(findings, snapshot.name, disk)
    const moved = commits.find(({ top }) => top === missing)
    if (moved !== undefined) return [disk, { mode: 'external', frozen: posix.basename(moved.base) }]
    const overwritten = commits.some(({ base }) => posix.basename(base) === place.frozen)
    return [disk, overwritten ? { mode: 'external' } : place]
  })
  return { ...snapshot, disks }
}

/** The machine with its snapshots as they are. */
const corrected = (decoded: DecodedMachine, commits: ReadonlyArray<Commit>): Machine => {
  const { disks, snapshots, ...rest } = decoded.machine
  const described = Array.from(snapshots.values(), (one) => asItIs(one, decoded, commits))
  return valueOf(machine({ ...rest, disks: disks.values(), snapshots: described }))
}

/** The snapshots that no image holds any more on some disk. */
const lostIn = (of: Machine): ReadonlyArray<string> =>
  Array.from(of.snapshots.values()).flatMap(({ name, disks }) =>
    Array.from(disks.values()).some((disk) => disk.mode === 'external' && disk.frozen === undefined) ? [name] : [],
  )

const [folder = captured('shortened'), ...words] = process.argv.slice(2)
const known = ['/images/disk.tuesday', '/images/disk.monday', '/images/data.tuesday', '/images/data.monday']

try {
  const decoded = await readDomain(folder)
  printChains(decoded.machine)
  console.log('\nRecords and images differ:')
  for (const finding of decoded.findings) console.log(`- ${JSON.stringify(finding)}`)

  const commits = commitsOf(process.argv.length > 2 ? words : known)
  for (const finding of decoded.findings)
    if (finding._tag === 'PointMissing' && !commits.some(({ top }) => top === finding.path))
      console.log(`\nIf ${finding.path ?? 'it'} was committed, say so: what holds ${finding.snapshot} is known then.`)

  const vm = corrected(decoded, commits)
  const lost = lostIn(vm)
  // What `virsh version` prints.
  const host = { via: 'libvirt', capabilities: capabilitiesOfVersions({ libvirt: '11.3.0' }) } as const
  // Forgetting mends the records of those that stay, too.
  const planned = lost.length === 0 ? redefine(vm, host) : forget(vm, { snapshots: lost }, host)
  const plan = valueOf(planned, explainMachineRefusal)
  console.log(`\nLost: ${lost.length === 0 ? 'nothing' : lost.join(', ')}\n\n${explainMachine(plan)}\n\nThe calls:`)
  printCalls(plan)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
