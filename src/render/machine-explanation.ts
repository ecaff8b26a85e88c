import { locationString } from '../model/location.js'
import { pointMap } from '../model/point-map.js'
import type { PointPlace } from '../model/point-map.js'
import { printChain } from '../model/notation.js'
import { nameText } from '../model/print-picture.js'
import type { Consistency, MachineAssumption, MachinePlan } from '../plan/machine-plan.js'
import { names, viaText } from './alternative.js'
import { assumptionText } from './assumption.js'
import { sizeText } from './size.js'

const operations: { readonly [O in MachinePlan['operation']]: string } = {
  take: 'A snapshot',
  delete: 'A deletion of snapshots',
  revert: 'A revert',
  forget: 'Forgetting snapshots',
  redefine: 'Mending what libvirt has written down',
  commit: 'A commit under snapshots',
  pull: 'A pull under snapshots',
  rename: 'Another path for an image under snapshots',
  save: 'Saving the memory',
  restore: 'Restoring the memory',
  drop: 'Dropping a saved state',
  export: 'An export of the present',
  settle: 'Settling what is owed',
  extract: 'Images of their own, from a snapshot,',
}

const grades: { readonly [C in Consistency]: string } = {
  clean: 'The guest is shut off, so the snapshot is clean.',
  memory: "The guest's memory is kept with the disks.",
  quiesced: "The guest's file systems are frozen meanwhile.",
  'quiesced or crash':
    "The guest's file systems are frozen meanwhile, if the agent answers; else it is as after a power failure.",
  crash: 'The snapshot is as after a power failure.',
  none: 'No disk is kept.',
}

type ByTag = { readonly [A in MachineAssumption as A['_tag']]: A }

const assumptions: { readonly [T in keyof ByTag]: (assumption: ByTag[T]) => string } = {
  OfDisk: ({ disk, assumption }) => `on ${nameText(disk)}, ${assumptionText(assumption)}`,
  ClockReads: ({ seconds }) => `libvirt's clock reads ${seconds} seconds since 1970 when it names its overlays`,
  NoManagedSave: ({ domain }) => `the domain ${nameText(domain)} has no saved state`,
  MemoryFile: ({ snapshot, path }) => `the memory of ${nameText(snapshot)} is at ${JSON.stringify(path)}`,
  DisksAsSaved: ({ domain }) => `nobody has written to the disks of ${nameText(domain)} since its memory was saved`,
  Starts: ({ domain }) => `the domain ${nameText(domain)} can be started again`,
  NoOtherDisks: () => 'the guest writes to no disk besides those of the machine',
  SameDevices: ({ snapshot }) => `QEMU has the devices that it had when ${nameText(snapshot)} was taken`,
  SizesAsTaken: ({ snapshot, disks }) =>
    `the size of ${names(disks)} is the one of when ${nameText(snapshot)} was taken, which what is inside has`,
  RecordsEnd: ({ domain }) =>
    `${nameText(domain)} is transient: when it stops, libvirt drops its records of snapshots, and the files stay`,
  StoredOn: ({ disk, path, on }) => `on ${nameText(disk)}, what is at ${JSON.stringify(path)} is stored on ${on}`,
  WrittenOut: ({ disk, images }) =>
    `on ${nameText(disk)}, QEMU has written out what it held back of ${names(images)}: it says nothing where that fails`,
  CopyHolds: ({ disk, volume, sizeBytes }) =>
    `on ${nameText(disk)}, no more than ${sizeText(sizeBytes)} are written while the snapshot ${volume} is needed, which is lost then`,
  CopyReads: ({ disk, path, images }) =>
    `on ${nameText(disk)}, these stay as they are while the copy ${JSON.stringify(path)} is needed, which reads them: ${names(images)}`,
  NothingElseIn: ({ path }) => `there is nothing in ${JSON.stringify(path)} besides the images of this machine`,
  DiskGone: ({ snapshot, disks }) =>
    `the machine no longer has ${names(disks)} of ${nameText(snapshot)}, and nobody needs what it held there`,
}

const assumedText = <T extends keyof ByTag>(tag: T, assumption: ByTag[T]): string => assumptions[tag](assumption)

const placeText = ({ held, image }: PointPlace): string => `${held === 'inside' ? 'inside ' : ''}${nameText(image)}`

const chainLines = ({ before, after }: MachinePlan): ReadonlyArray<string> =>
  Array.from(before.disks).map(([disk, chain]) => {
    const now = after.disks.get(disk)
    const [old, then] = [printChain(chain), now === undefined ? '' : printChain(now)]
    return old === then ? `- ${nameText(disk)}: ${old} stays` : `- ${nameText(disk)}: ${old} becomes ${then}`
  })

const pointLine = (name: string, was: PointPlace | undefined, is: PointPlace | undefined): string => {
  if (was === undefined) return is === undefined ? '' : `- ${name} is in ${placeText(is)}`
  if (is === undefined) return `- ${name} was in ${placeText(was)}, and is no more`
  return was.image === is.image
    ? `- ${name} stays in ${placeText(is)}`
    : `- ${name} was in ${placeText(was)}, and is then in ${placeText(is)}`
}

const pointLines = ({ before, after }: MachinePlan): ReadonlyArray<string> => {
  const [was, is] = [pointMap(before), pointMap(after)]
  return Array.from(new Set([...was.keys(), ...is.keys()])).flatMap((snapshot) => {
    const [old, now] = [was.get(snapshot), is.get(snapshot)]
    if (now === undefined && (old?.size ?? 0) === 0) return [`- ${nameText(snapshot)} was in no image, and is no more`]
    return Array.from(new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])).map((disk) =>
      pointLine(`${nameText(snapshot)} on ${nameText(disk)}`, old?.get(disk), now?.get(disk)),
    )
  })
}

const fileLines = ({ parts, unlinked }: MachinePlan): ReadonlyArray<string> => [
  ...parts.flatMap(({ before, fates }) =>
    Array.from(fates).flatMap(([image, of]) => {
      const location = before.images.get(image)?.location
      return of.includes('removed') && location !== undefined ? [`- ${locationString(location)}`] : []
    }),
  ),
  ...unlinked.map((path) => `- ${path}`),
]

const section = (heading: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [heading, ...lines]

/**
 * Says in plain English what a plan for a machine does: the chain of each disk, where each point in time is, which files go, and
 * what is assumed. Several lines; names stand as in the notation.
 *
 * @example
 * import { capabilitiesOfVersions, deleteSnapshots, explainMachine, machine, parseChain } from 'backing-chain'
 * import * as E from 'fp-ts/lib/Either.js'
 * import { pipe } from 'fp-ts/lib/function.js'
 *
 * const host = { via: 'qemu-img', capabilities: capabilitiesOfVersions({ qemu: '10.0.2' }) } as const
 * const snapshots = [{ name: 'monday', disks: [['vda', { mode: 'external', frozen: 'v' }]] as const }]
 * const plan = pipe(
 *   parseChain('v <- v.1^'),
 *   E.flatMap(({ chain }) => machine({ name: 'vm', state: 'shut-off', disks: [chain], snapshots })),
 *   E.flatMap((vm) => deleteSnapshots(vm, { snapshots: ['monday'] }, host)),
 * )
 * E.isRight(plan) ? explainMachine(plan.right).split('\n')[2] : '' // => '- vda: v <- v.1^ becomes v^'
 *
 * @since 0.2.0
 */
export const explainMachine = (plan: MachinePlan): string => {
  const own = plan.how === 'libvirt' ? ", by libvirt's own function" : ''
  const grade = plan.consistency === undefined ? [] : [grades[plan.consistency]]
  return [
    `${operations[plan.operation]} of the machine ${nameText(plan.before.name)} through ${viaText(plan.via)}${own}.`,
    ...grade,
    ...section('Chains:', chainLines(plan)),
    ...section('Points in time:', pointLines(plan)),
    ...section('Files that go:', fileLines(plan)),
    ...section(
      'Assumed:',
      plan.assumes.map((assumption) => `- ${assumedText(assumption._tag, assumption)}`),
    ),
  ].join('\n')
}
