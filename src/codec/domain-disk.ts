import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import type { XmlElement } from '../model/xml.js'
import { show, unlessWrong } from './decode-error.js'
import type { DecodeError, Problem } from './decode-error.js'
import { domainPath } from './domain-source.js'
import type { DomainImage } from './domain-source.js'
import { attribute, elementIn, elementsIn, parsedXml } from './xml-document.js'

/**
 * The other end of a copy or of an active commit that is under way, as only a running domain shows it.
 *
 * `ready` is what the attribute says: missing while data is still being copied, `yes` when it may be pivoted to, `abort` or
 * `pivot` while that is being done. Commits into a backing file and pulls have no `<mirror>`.
 *
 * @since 0.1.0
 */
export interface Mirror {
  readonly job: 'copy' | 'active-commit'
  readonly ready: 'yes' | 'abort' | 'pivot' | undefined
  readonly images: ReadonlyArray<DomainImage>
  readonly end: 'terminated' | 'open'
}

/**
 * A disk of a libvirt domain.
 *
 * - `target`: `vda`, the name that block jobs take. `device`: `disk`, `cdrom`, `floppy`, `lun`.
 * - `images`: what the definition names, base first; none for an empty drive. `end` is `terminated` where it says that
 *   there is nothing below, `open` where libvirt would go on by the headers: the definition of a shut-off domain has no
 *   terminator, except after a full copy.
 * - `writes`: `discarded` where the disk is `<transient/>`.
 * - `snapshot`: the default for snapshots of this disk, as written.
 * - `element`: the `<disk>` element whole, for a plan that has to mend the definition.
 *
 * @since 0.1.0
 */
export interface DomainDisk {
  readonly target: string
  readonly device: 'disk' | 'cdrom' | 'floppy' | 'lun'
  readonly images: ReadonlyArray<DomainImage>
  readonly end: 'terminated' | 'open'
  readonly mirror: Mirror | undefined
  readonly access: 'read-only' | 'read-write'
  readonly sharing: 'shareable' | 'exclusive'
  readonly writes: 'kept' | 'discarded'
  readonly snapshot: string | undefined
  readonly element: XmlElement
}

const devices = ['disk', 'cdrom', 'floppy', 'lun'] as const
const jobs = ['copy', 'active-commit'] as const
const readies = ['yes', 'abort', 'pivot'] as const

const among = <S extends string>(known: ReadonlyArray<S>, value: string | undefined): S | undefined =>
  known.find((one) => one === value)

const has = (of: XmlElement, name: string): boolean => elementIn(of, name) !== undefined

const mirrorOf = (disk: XmlElement): Mirror | undefined => {
  const mirror = elementIn(disk, 'mirror')
  if (mirror === undefined) return undefined
  const job = among(jobs, attribute(mirror, 'job')) ?? 'copy'
  return { job, ready: among(readies, attribute(mirror, 'ready')), ...domainPath(mirror) }
}

const known = (disk: XmlElement, path: string): ReadonlyArray<Problem> => {
  const mirror = elementIn(disk, 'mirror')
  const checks = [
    { at: `${path}/@device`, value: attribute(disk, 'device'), allowed: devices },
    { at: `${path}/mirror/@job`, value: attribute(mirror, 'job'), allowed: jobs },
    { at: `${path}/mirror/@ready`, value: attribute(mirror, 'ready'), allowed: readies },
  ]
  return checks.flatMap(({ at, value, allowed }) =>
    value === undefined || allowed.some((one) => one === value)
      ? []
      : [{ path: at, expected: `one of ${allowed.map(show).join(', ')}`, actual: show(value) }],
  )
}

/** The attribute of `<source>` that says where the image is, by the type of the disk. */
const sayers: ReadonlyMap<string, string> = new Map([
  ['file', 'file'],
  ['block', 'dev'],
  ['network', 'protocol'],
])

const pathless = (images: ReadonlyArray<DomainImage>, path: string): ReadonlyArray<Problem> =>
  images.flatMap((image) => {
    const wanted = sayers.get(image.type)
    return wanted === undefined || image.location !== undefined
      ? []
      : [{ path: `${path}//source/@${wanted}`, expected: 'a string', actual: 'nothing' }]
  })

const diskOf = (
  disk: XmlElement,
  path: string,
): { readonly disk: DomainDisk; readonly problems: ReadonlyArray<Problem> } => {
  const target = attribute(elementIn(disk, 'target'), 'dev')
  const { images, end } = domainPath(disk, attribute(elementIn(disk, 'driver'), 'type'))
  const mirror = mirrorOf(disk)
  const unnamed = target === undefined ? [{ path: `${path}/target/@dev`, expected: 'a string', actual: 'nothing' }] : []
  return {
    problems: [...unnamed, ...known(disk, path), ...pathless([...images, ...(mirror?.images ?? [])], path)],
    disk: {
      target: target ?? '',
      device: among(devices, attribute(disk, 'device')) ?? 'disk',
      images,
      end,
      mirror,
      access: has(disk, 'readonly') ? 'read-only' : 'read-write',
      sharing: has(disk, 'shareable') ? 'shareable' : 'exclusive',
      writes: has(disk, 'transient') ? 'discarded' : 'kept',
      snapshot: attribute(disk, 'snapshot'),
      element: disk,
    },
  }
}

/** The disks of a definition, whatever its element is called, in its order; `path` is the XPath of the element. */
export const disksIn = (
  definition: XmlElement,
  path: string,
): { readonly disks: ReadonlyArray<DomainDisk>; readonly problems: ReadonlyArray<Problem> } => {
  const elements = elementsIn(definition, 'devices').flatMap((all) => elementsIn(all, 'disk'))
  const found = elements.map((disk, index) => diskOf(disk, `${path}/devices/disk[${index + 1}]`))
  return { disks: found.map(({ disk }) => disk), problems: found.flatMap(({ problems }) => problems) }
}

/** The disks of a `<domain>` element, in its order. */
export const disksOfDomain = (domain: XmlElement): E.Either<DecodeError, ReadonlyArray<DomainDisk>> => {
  if (domain.name !== 'domain')
    return unlessWrong([{ path: '/', expected: 'a domain element', actual: `a ${domain.name} element` }], [])
  const { disks, problems } = disksIn(domain, '/domain')
  return unlessWrong(problems, disks)
}

/**
 * Reads the disks of a libvirt domain from what `virDomainGetXMLDesc` gives (`virsh dumpxml`, with or without
 * `--inactive`).
 *
 * Left: `TextWrong` (not well-formed, a document type declaration, nested deeper than 512), `ShapeWrong`; the path of a
 * problem is an XPath.
 *
 * @example
 * import { decodeDomainDisks } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const decoded = decodeDomainDisks(`<domain><devices>
 *   <disk type="file" device="disk">
 *     <driver name="qemu" type="qcow2"/>
 *     <source file="/vm/a.qcow2" index="1"/>
 *     <backingStore type="block" index="2"><format type="raw"/><source dev="/dev/vg/base"/><backingStore/></backingStore>
 *     <target dev="vda"/>
 *   </disk>
 * </devices></domain>`)
 * const disks = E.isRight(decoded) ? decoded.right : []
 * disks.map(({ target, end, images }) => [target, end, ...images.map((image) => image.location)])
 * // => [['vda', 'terminated', { _tag: 'BlockDevice', path: '/dev/vg/base' }, { _tag: 'File', path: '/vm/a.qcow2' }]]
 *
 * @since 0.1.0
 */
export const decodeDomainDisks = (xml: string): E.Either<DecodeError, ReadonlyArray<DomainDisk>> =>
  pipe(parsedXml(xml), E.flatMap(disksOfDomain))
