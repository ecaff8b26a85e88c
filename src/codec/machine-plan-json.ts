import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'

import { features } from '../call/capability.js'
import type { PointMap } from '../model/point-map.js'
import type { DiskPart, MachineAssumption, MachinePlan, MachineStep } from '../plan/machine-plan.js'
import { assumption } from './assumption-json.js'
import { chainBody, chainOfBody, checkedVersion, encodeBody, format } from './chain-json.js'
import { show, unlessWrong } from './decode-error.js'
import type { DecodeError } from './decode-error.js'
import { parsedJson } from './json-text.js'
import { encodeMachineBody, machineBody, machineOfBody } from './machine-json.js'
import { contents, encodeFates, fateList, fatesOfWire, imageName } from './plan-json.js'
import { exact, list, oneOf, read, size, tagged, text } from './shape.js'
import { cleanup, stepMembers } from './step-json.js'

/**
 * A plan for a machine as JSON of our own: `JSON.stringify` writes it, {@link decodeMachinePlan} reads it. Inside is what
 * `version` says.
 *
 * @since 0.2.0
 */
export interface EncodedMachinePlan {
  readonly format: 'backing-chain/machine-plan'
  readonly version: 1
  readonly [member: string]: unknown
}

/** Everything, or the first thing that is wrong. */
const together = sequenceS(E.Apply)

const place = exact({ held: oneOf('frozen', 'inside'), image: imageName, format, sizeBytes: size }, {})

const points = list(exact({ snapshot: text, disks: list(exact({ disk: text, place }, {})) }, {}))

const machineStep = exact({ ...stepMembers.needed, points }, { ...stepMembers.allowed, disk: text, failure: text })

const part = exact({ before: chainBody, after: chainBody, contents, fates: fateList }, {})

const machineAssumption = tagged('_tag', {
  OfDisk: exact({ _tag: oneOf('OfDisk'), disk: text, assumption }, {}),
  ClockReads: exact({ _tag: oneOf('ClockReads'), seconds: size }, {}),
  NoManagedSave: exact({ _tag: oneOf('NoManagedSave'), domain: text }, {}),
  MemoryFile: exact({ _tag: oneOf('MemoryFile'), snapshot: text, path: text }, {}),
  DisksAsSaved: exact({ _tag: oneOf('DisksAsSaved'), domain: text }, {}),
  Starts: exact({ _tag: oneOf('Starts'), domain: text }, {}),
  DiskGone: exact({ _tag: oneOf('DiskGone'), snapshot: text, disks: list(text) }, {}),
  NoOtherDisks: exact({ _tag: oneOf('NoOtherDisks') }, {}),
  SameDevices: exact({ _tag: oneOf('SameDevices'), snapshot: text }, {}),
  SizesAsTaken: exact({ _tag: oneOf('SizesAsTaken'), snapshot: text, disks: list(text) }, {}),
  RecordsEnd: exact({ _tag: oneOf('RecordsEnd'), domain: text }, {}),
  StoredOn: exact({ _tag: oneOf('StoredOn'), disk: text, path: text, on: text }, {}),
  WrittenOut: exact({ _tag: oneOf('WrittenOut'), disk: text, images: list(text) }, {}),
  CopyHolds: exact({ _tag: oneOf('CopyHolds'), disk: text, volume: text, sizeBytes: size }, {}),
  CopyReads: exact({ _tag: oneOf('CopyReads'), disk: text, path: text, images: list(text) }, {}),
  NothingElseIn: exact({ _tag: oneOf('NothingElseIn'), path: text }, {}),
} satisfies { readonly [T in MachineAssumption['_tag']]: t.Decoder<unknown, MachineAssumption & { readonly _tag: T }> })

const planWire = exact(
  {
    format: oneOf('backing-chain/machine-plan'),
    version: t.literal(1),
    operation: oneOf(
      'take',
      'delete',
      'revert',
      'forget',
      'redefine',
      'commit',
      'pull',
      'rename',
      'save',
      'restore',
      'drop',
      'extract',
      'export',
      'settle',
    ),
    via: oneOf('qmp', 'libvirt', 'qemu-img', 'storage-daemon'),
    how: oneOf('libvirt', 'by hand'),
    before: machineBody,
    after: machineBody,
    parts: list(part),
    steps: list(machineStep),
    finally: list(cleanup),
    unlinked: list(text),
    requires: list(oneOf(...features)),
    assumes: list(machineAssumption),
  },
  { consistency: oneOf('clean', 'memory', 'quiesced', 'quiesced or crash', 'crash', 'none') },
)

const pointsOfWire = (wire: t.TypeOf<typeof points>, path: string): E.Either<DecodeError, PointMap> => {
  const found = new Map(
    wire.map(({ snapshot, disks }) => [snapshot, new Map(disks.map(({ disk, place: at }) => [disk, at]))]),
  )
  const kept = wire.every(({ snapshot, disks }) => found.get(snapshot)?.size === disks.length)
  const problem = { path, expected: 'each snapshot and disk once', actual: show(wire) }
  return unlessWrong(kept && found.size === wire.length ? [] : [problem], found)
}

const encodePoints = (of: PointMap): t.TypeOf<typeof points> =>
  Array.from(of, ([snapshot, disks]) => ({ snapshot, disks: Array.from(disks, ([disk, at]) => ({ disk, place: at })) }))

const stepOfWire = (index: number, wire: t.TypeOf<typeof machineStep>): E.Either<DecodeError, MachineStep> =>
  pipe(
    pointsOfWire(wire.points, `$.steps[${index}].points`),
    E.map((found) => ({ ...wire, disk: wire.disk, points: found })),
  )

const partOfWire = (index: number, wire: t.TypeOf<typeof part>): E.Either<DecodeError, DiskPart> =>
  pipe(
    together({
      before: chainOfBody(wire.before),
      after: chainOfBody(wire.after),
      fates: fatesOfWire(wire.fates, `$.parts[${index}].fates`),
    }),
    E.map((made) => ({ ...wire, ...made })),
  )

/** Every part of a plan, so that one that is new here and not written is no plan that compiles. */
const planOfWire = (wire: t.TypeOf<typeof planWire>): E.Either<DecodeError, MachinePlan> => {
  const { format: _format, version: _version, ...rest } = wire
  return pipe(
    together({
      before: machineOfBody(wire.before, '$.before'),
      after: machineOfBody(wire.after, '$.after'),
      parts: E.traverseArrayWithIndex(partOfWire)(wire.parts),
      steps: E.traverseArrayWithIndex(stepOfWire)(wire.steps),
    }),
    E.map((made) => ({ ...rest, consistency: wire.consistency, ...made })),
  )
}

const encodeStep = ({ disk, points: found, ...rest }: MachineStep): object => ({
  ...rest,
  ...(disk === undefined ? {} : { disk }),
  points: encodePoints(found),
})

const encodePart = (of: DiskPart): object => ({
  ...of,
  before: encodeBody(of.before),
  after: encodeBody(of.after),
  fates: encodeFates(of.fates),
})

/**
 * Writes a plan for a machine as versioned JSON, so that it can be looked at, kept, and executed elsewhere.
 *
 * Law: `decodeMachinePlan(encodeMachinePlan(p))` is `p`, through `JSON.stringify` too.
 *
 * @since 0.2.0
 */
export const encodeMachinePlan = ({ consistency, ...of }: MachinePlan): EncodedMachinePlan => ({
  format: 'backing-chain/machine-plan',
  version: 1,
  ...of,
  before: encodeMachineBody(of.before),
  after: encodeMachineBody(of.after),
  parts: of.parts.map(encodePart),
  steps: of.steps.map(encodeStep),
  ...(consistency === undefined ? {} : { consistency }),
})

/**
 * Reads a plan that {@link encodeMachinePlan} wrote: text or parsed.
 *
 * Nothing is lost in silence: another version, and a member that this version does not know, are problems.
 *
 * Left: `TextWrong`, `ShapeWrong`, `ModelWrong`, `MachineWrong`.
 *
 * @example
 * import { decodeMachinePlan } from 'backing-chain/codec'
 *
 * decodeMachinePlan('{ "format": "backing-chain/machine-plan" ')._tag // => 'Left'
 *
 * @since 0.2.0
 */
export const decodeMachinePlan = (input: unknown): E.Either<DecodeError, MachinePlan> =>
  pipe(
    parsedJson(input),
    E.flatMap(checkedVersion('backing-chain/machine-plan')),
    E.flatMap((json) => read(planWire, json)),
    E.flatMap(planOfWire),
  )
