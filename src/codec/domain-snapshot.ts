import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { isNonEmpty } from 'fp-ts/lib/ReadonlyArray.js'
import { getSemigroup } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { isSnapshotName } from '../model/snapshot.js'
import type { Memory, SnapshotDisk, SnapshotName, SnapshotState } from '../model/snapshot.js'
import { xmlText } from '../model/xml.js'
import type { XmlElement } from '../model/xml.js'
import { show, unlessWrong } from './decode-error.js'
import type { DecodeError, Problem } from './decode-error.js'
import { disksIn } from './domain-disk.js'
import type { DomainDisk } from './domain-disk.js'
import { domainImage } from './domain-source.js'
import type { DomainImage } from './domain-source.js'
import { attribute, elementIn, elementsIn, parsedXml, textIn } from './xml-document.js'

/**
 * A disk of a snapshot, as libvirt has it.
 *
 * - `overlay`: the image that the snapshot made, which is *not* the one that holds the point in time; nothing where the disk
 *   is not external.
 * - `deletion`: `in progress` where libvirt has begun to delete the snapshot above this one and did not finish.
 *
 * @since 0.2.0
 */
export interface DomainSnapshotDisk {
  readonly target: string
  readonly mode: SnapshotDisk['mode']
  readonly overlay: DomainImage | undefined
  readonly deletion: 'in progress' | 'none'
}

/**
 * A snapshot as libvirt has it written down.
 *
 * - `revertDisks`: the overlays that the last revert to this snapshot made, while the guest still writes to them.
 * - `domain`: the disks of the definition at that time; the first source of an external one is the image that was frozen.
 *   `inactiveDomain`: those of the persistent definition, if the guest ran. Nothing where there is no such definition.
 * - `element`: the `<domainsnapshot>` element whole.
 *
 * @since 0.2.0
 */
export interface DomainSnapshot {
  readonly name: SnapshotName
  readonly parent: SnapshotName | undefined
  readonly description: string | undefined
  readonly creationTime: string | undefined
  readonly state: SnapshotState
  readonly memory: Memory
  readonly disks: ReadonlyArray<DomainSnapshotDisk>
  readonly revertDisks: ReadonlyArray<DomainSnapshotDisk>
  readonly domain: ReadonlyArray<DomainDisk> | undefined
  readonly inactiveDomain: ReadonlyArray<DomainDisk> | undefined
  readonly element: XmlElement
}

const states = ['running', 'paused', 'shutoff', 'disk-snapshot'] as const
const modes = ['no', 'internal', 'external', 'manual'] as const

/** What was read, or everything that is wrong with it; the path of a problem is an XPath. */
type Read<A> = E.Either<ReadonlyNonEmptyArray<Problem>, A>

const together = sequenceS(E.getApplicativeValidation(getSemigroup<Problem>()))

const wrong = (path: string, expected: string, value: string | undefined): Read<never> =>
  E.left([{ path, expected, actual: show(value) }])

const word = <S extends string>(known: ReadonlyArray<S>, value: string | undefined, path: string): Read<S> => {
  const found = known.find((one) => one === value)
  return found === undefined ? wrong(path, `one of ${known.map(show).join(', ')}`, value) : E.right(found)
}

const named = (value: string | undefined, path: string): Read<SnapshotName> =>
  value !== undefined && isSnapshotName(value) ? E.right(value) : wrong(path, 'the name of a snapshot', value)

const parentOf = (snapshot: XmlElement, path: string): Read<SnapshotName | undefined> => {
  const parent = elementIn(snapshot, 'parent')
  return parent === undefined ? E.right(undefined) : named(textIn(elementIn(parent, 'name')), `${path}/parent/name`)
}

/** Without the element, memory is kept where the guest ran and not only its disks were taken, as libvirt reads it. */
const memoryOf = (snapshot: XmlElement, state: string | undefined, path: string): Read<Memory> => {
  const memory = elementIn(snapshot, 'memory')
  const file = attribute(memory, 'file')
  const byDefault = state === 'running' || state === 'paused' ? 'internal' : 'no'
  const mode = attribute(memory, 'snapshot') ?? (file === undefined ? byDefault : 'external')
  if (mode === 'no') return E.right({ _tag: 'None' })
  if (mode === 'internal') return E.right({ _tag: 'Internal' })
  if (mode !== 'external') return wrong(`${path}/memory/@snapshot`, 'one of "no", "internal", "external"', mode)
  return file === undefined
    ? wrong(`${path}/memory/@file`, 'a string', file)
    : E.right({ _tag: 'External', path: file })
}

const diskOf = (disk: XmlElement, path: string): Read<DomainSnapshotDisk> => {
  const target = attribute(disk, 'name')
  const mode = attribute(disk, 'snapshot') ?? 'external' // as in libvirt's schema
  const deletion = elementIn(disk, 'snapshotDeleteInProgress') === undefined ? 'none' : 'in progress'
  const overlay = mode === 'external' ? domainImage(disk, attribute(elementIn(disk, 'driver'), 'type')) : undefined
  return together({
    target: target === undefined ? wrong(`${path}/@name`, 'a string', target) : E.right(target),
    mode: word(modes, mode, `${path}/@snapshot`),
    overlay: E.right(overlay),
    deletion: E.right<never, DomainSnapshotDisk['deletion']>(deletion),
  })
}

const diskElements = (snapshot: XmlElement, list: string): ReadonlyArray<XmlElement> => {
  const all = elementIn(snapshot, list)
  return all === undefined ? [] : elementsIn(all, 'disk')
}

const disksOf = (
  snapshot: XmlElement,
  list: 'disks' | 'revertDisks',
  path: string,
): Read<ReadonlyArray<DomainSnapshotDisk>> => {
  const problems: Array<Problem> = []
  const disks = new Map<string, DomainSnapshotDisk>()
  for (const [index, element] of diskElements(snapshot, list).entries()) {
    const at = `${path}/${list}/disk[${index + 1}]`
    const disk = diskOf(element, at)
    if (E.isLeft(disk)) problems.push(...disk.left)
    else if (disks.has(disk.right.target))
      problems.push({ path: `${at}/@name`, expected: 'each disk once', actual: show(disk.right.target) })
    else disks.set(disk.right.target, disk.right)
  }
  return isNonEmpty(problems) ? E.left(problems) : E.right(Array.from(disks.values()))
}

const definitionIn = (
  snapshot: XmlElement,
  name: 'domain' | 'inactiveDomain',
  path: string,
): Read<ReadonlyArray<DomainDisk> | undefined> => {
  const definition = elementIn(snapshot, name)
  if (definition === undefined) return E.right(undefined)
  const { disks, problems } = disksIn(definition, `${path}/${name}`)
  return isNonEmpty(problems) ? E.left(problems) : E.right(disks)
}

const readSnapshot = (element: XmlElement, path: string): Read<DomainSnapshot> => {
  const state = textIn(elementIn(element, 'state'))
  return together({
    name: named(textIn(elementIn(element, 'name')), `${path}/name`),
    parent: parentOf(element, path),
    description: E.right(textIn(elementIn(element, 'description'))),
    creationTime: E.right(textIn(elementIn(element, 'creationTime'))),
    state: word(states, state, `${path}/state`),
    memory: memoryOf(element, state, path),
    disks: disksOf(element, 'disks', path),
    revertDisks: disksOf(element, 'revertDisks', path),
    domain: definitionIn(element, 'domain', path),
    inactiveDomain: definitionIn(element, 'inactiveDomain', path),
    element: E.right(element),
  })
}

const snapshotIn =
  (at: string) =>
  (element: XmlElement): E.Either<DecodeError, DomainSnapshot> => {
    const { name } = element
    const read =
      name === 'domainsnapshot'
        ? readSnapshot(element, `${at}/domainsnapshot`)
        : E.left([{ path: `${at}/`, expected: 'a domainsnapshot element', actual: `a ${name} element` }] as const)
    return pipe(
      read,
      E.mapLeft((problems) => ({ _tag: 'ShapeWrong', problems })),
    )
  }

/**
 * Reads what libvirt has written down of a snapshot: `virDomainSnapshotGetXMLDesc`, `virsh snapshot-dumpxml`.
 *
 * The overlays in `disks` are what the snapshot made; the point in time lies below them. {@link machineFromLibvirt} finds it.
 *
 * Left: `TextWrong` (not well-formed, a document type declaration, nested deeper than 512), `ShapeWrong`; the path of a
 * problem is an XPath. A state that QEMU's driver cannot revert to (`crashed`, say) is one.
 *
 * @example
 * import { decodeSnapshotXml } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeSnapshotXml(`<domainsnapshot>
 *   <name>tuesday</name><parent><name>monday</name></parent><state>shutoff</state><memory snapshot="no"/>
 *   <disks><disk name="vda" snapshot="external" type="file"><source file="/vm/a.tuesday"/></disk></disks>
 * </domainsnapshot>`)
 * E.isRight(decoded) ? [decoded.right.parent, decoded.right.disks[0]?.mode] : decoded.left // => ['monday', 'external']
 *
 * @since 0.2.0
 */
export const decodeSnapshotXml = (xml: string): E.Either<DecodeError, DomainSnapshot> =>
  pipe(parsedXml(xml), E.flatMap(snapshotIn('')))

const decodeAt = (xml: string, index: number): E.Either<DecodeError, DomainSnapshot> =>
  pipe(
    parsedXml(xml),
    E.mapLeft((error) => (error._tag === 'TextWrong' ? { ...error, why: `snapshot ${index}: ${error.why}` } : error)),
    E.flatMap(snapshotIn(`snapshots[${index}]`)),
  )

/**
 * Reads all snapshots of a domain, each as {@link decodeSnapshotXml}; what is wrong says which one, counted from 0.
 *
 * @since 0.2.0
 */
export const decodeSnapshots = (xmls: ReadonlyArray<string>): E.Either<DecodeError, ReadonlyArray<DomainSnapshot>> => {
  const decoded = xmls.map(decodeAt)
  const broken = decoded.find((one) => E.isLeft(one) && one.left._tag !== 'ShapeWrong')
  if (broken !== undefined && E.isLeft(broken)) return broken
  const problems = decoded.flatMap((one) => (E.isLeft(one) && one.left._tag === 'ShapeWrong' ? one.left.problems : []))
  const found = decoded.flatMap((one) => (E.isRight(one) ? [one.right] : []))
  return unlessWrong(problems, found)
}

/**
 * Writes a snapshot's record as XML text, as `virDomainSnapshotCreateXML` with REDEFINE takes it.
 *
 * Law: `decodeSnapshotXml(encodeSnapshotXml(s.element))` is `s`, for every `s` that {@link decodeSnapshotXml} has read.
 *
 * @example
 * import { encodeSnapshotXml } from 'backing-chain/codec'
 *
 * const name = { name: 'name', attributes: {}, children: ['monday'] }
 * const element = { name: 'domainsnapshot', attributes: {}, children: [name] }
 * encodeSnapshotXml(element) // => '<domainsnapshot><name>monday</name></domainsnapshot>'
 *
 * @since 0.2.0
 */
export const encodeSnapshotXml = (recorded: XmlElement): string => xmlText(recorded)
