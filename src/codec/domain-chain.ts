import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

import { chain } from '../model/chain.js'
import type { Chain } from '../model/chain.js'
import { isFormat } from '../model/format.js'
import type { Format } from '../model/format.js'
import { combineHeader } from '../model/header.js'
import { locationString } from '../model/location.js'
import { modelWrong, unlessUnlinked } from './decode-error.js'
import type { DecodeError, LinkProblem } from './decode-error.js'
import type { DomainDisk } from './domain-disk.js'
import type { DomainImage } from './domain-source.js'
import { comparable, leadsElsewhere } from './filename.js'
import { describe, nameIn } from './image-description.js'
import type { ChainOptions } from './image-description.js'
import type { ImageInfo } from './image-info.js'

/**
 * Where a domain's definition and the headers of its images disagree. libvirt starts the guest by its definition.
 *
 * - `FormatDiffers`: libvirt would open the image as something else than `qemu-img info` did.
 * - `BackingDiffers`: the definition puts another image below than the header does, or none; the definition counts.
 * - `DataFileDiffers`: likewise with the external data file; the header counts, since an Image records what it stores.
 * - `GoesOn`: the definition ends openly, and the headers lead on to more images; libvirt would find them by probing.
 *
 * @since 0.1.0
 */
export type DomainFinding =
  | { readonly _tag: 'FormatDiffers'; readonly image: string; readonly definition: string; readonly header: Format }
  | {
      readonly _tag: 'BackingDiffers' | 'DataFileDiffers'
      readonly image: string
      readonly definition: string | undefined
      readonly header: string | undefined
    }
  | { readonly _tag: 'GoesOn'; readonly image: string; readonly below: ReadonlyArray<string> }

/**
 * The chain of a domain's disk, and where the definition and the headers disagree about it.
 *
 * @since 0.1.0
 */
export interface DomainChain {
  readonly chain: Chain
  readonly findings: ReadonlyArray<DomainFinding>
}

/** An image, and what the definition says of it if it names it. */
interface Member {
  readonly info: ImageInfo
  readonly defined: DomainImage | undefined
}

type Infos = ReadonlyMap<string, ImageInfo>

const byName = (infos: ReadonlyArray<ImageInfo>): Infos =>
  new Map(
    infos
      .slice()
      .reverse()
      .map((info) => [comparable(info.filename), info]),
  )

const where = (image: DomainImage | undefined): string | undefined =>
  image?.location === undefined ? undefined : locationString(image.location)

const infoAt = (filename: string | undefined, infos: Infos): ImageInfo | undefined =>
  filename === undefined ? undefined : infos.get(comparable(filename))

/** What the headers lead to from the lowest image that an open definition names, downwards. */
const beyond = (disk: DomainDisk, infos: Infos): { members: Array<Member>; problems: Array<LinkProblem> } => {
  const members: Array<Member> = []
  const seen = new Set<ImageInfo>()
  let above = disk.end === 'open' ? infoAt(where(disk.images[0]), infos) : undefined
  while (above?.backing !== undefined && !seen.has(above)) {
    seen.add(above)
    const info = infoAt(above.backing.resolved, infos)
    if (info === undefined) return { members, problems: [{ _tag: 'InfoMissing', image: above.backing.resolved }] }
    members.push({ info, defined: undefined })
    above = info
  }
  return { members, problems: [] }
}

/** Every image of the disk, active first. */
const membersOf = (disk: DomainDisk, infos: Infos): { members: Array<Member>; problems: Array<LinkProblem> } => {
  const problems: Array<LinkProblem> = []
  const members: Array<Member> = []
  for (const defined of disk.images.slice().reverse()) {
    const filename = where(defined)
    const info = infoAt(filename, infos)
    if (filename === undefined) problems.push({ _tag: 'LocationUnknown', disk: disk.target, type: defined.type })
    else if (info === undefined) problems.push({ _tag: 'InfoMissing', image: filename })
    else members.push({ info, defined })
  }
  if (disk.images.length === 0) problems.push({ _tag: 'LocationUnknown', disk: disk.target, type: 'none' })
  const more = beyond(disk, infos)
  return { members: [...members, ...more.members], problems: [...problems, ...more.problems] }
}

const differs = (defined: string | undefined, header: string | undefined): boolean =>
  defined === undefined || header === undefined ? defined !== header : leadsElsewhere(header, defined)

const findingsOf = ({ info, defined }: Member, below: Member | undefined): ReadonlyArray<DomainFinding> => {
  if (defined === undefined) return []
  const image = info.filename
  const findings: Array<DomainFinding> = []
  if (defined.format !== undefined && defined.format !== info.format)
    findings.push({ _tag: 'FormatDiffers', image, definition: defined.format, header: info.format })
  const [definition, header] = [where(below?.defined) ?? below?.info.filename, info.backing?.resolved]
  if (differs(definition, header)) findings.push({ _tag: 'BackingDiffers', image, definition, header })
  const store = defined.dataFile?.location && locationString(defined.dataFile.location)
  const stored = info.dataFile && combineHeader(info.filename, info.dataFile.name)
  if (store !== undefined && differs(store, stored))
    findings.push({ _tag: 'DataFileDiffers', image, definition: store, header: stored })
  return findings
}

const goesOn = (members: ReadonlyArray<Member>): ReadonlyArray<DomainFinding> => {
  const first = members.findIndex(({ defined }) => defined === undefined)
  const last = members[first - 1]
  if (last === undefined) return []
  return [{ _tag: 'GoesOn', image: last.info.filename, below: members.slice(first).map(({ info }) => info.filename) }]
}

/** With what the definition tells and the outputs of qemu-img may not: devices, and formats that no header records. */
const withDefinition = (members: ReadonlyArray<Member>, options: ChainOptions): ChainOptions => {
  const devices = members.flatMap(({ info, defined }) =>
    defined?.location?._tag === 'BlockDevice' ? [info.filename] : [],
  )
  const formats = members.flatMap(({ info }, index): ReadonlyArray<readonly [string, Format]> => {
    const format = members[index + 1]?.defined?.format
    return format !== undefined && isFormat(format) ? [[info.filename, format]] : []
  })
  return {
    ...options,
    blockDevices: new Set([...(options.blockDevices ?? []), ...devices]),
    backingFormats: new Map([...formats, ...(options.backingFormats ?? [])]),
  }
}

/**
 * Makes the chain of a domain's disk of its definition and of what `qemu-img info` says of each image, in any order.
 *
 * The definition says what lies below what, as far as it says anything: libvirt's stored `<backingStore>` overrides the
 * header at the next start. Below that the headers lead on. Sizes, header strings and everything else come from the
 * images. Nothing disagrees in silence: `findings`. `options.disk` is the target where left out.
 *
 * Left: `LinkWrong` (`LocationUnknown` for a volume or an empty drive, `InfoMissing`, `BackingNotRecorded` where the
 * definition puts an image below one whose header has none), `ModelWrong`.
 *
 * @example
 * import { chainFromDomain, decodeDomainDisks, decodeImageInfo } from 'backing-chain/codec'
 * import * as E from 'fp-ts/lib/Either.js'
 *
 * const disks = decodeDomainDisks(`<domain><devices><disk type="file">
 *   <driver type="qcow2"/><source file="/vm/b"/><backingStore/><target dev="vda"/>
 * </disk></devices></domain>`)
 * const backing = { 'backing-filename': '/vm/a', 'backing-filename-format': 'qcow2' }
 * const info = decodeImageInfo({ filename: '/vm/b', format: 'qcow2', 'virtual-size': 65536, ...backing })
 * const disk = E.isRight(disks) ? disks.right[0] : undefined
 * const made = disk && E.isRight(info) ? chainFromDomain(disk, [info.right]) : undefined
 * made && E.isRight(made) ? made.right.findings : []
 * // => [{ _tag: 'BackingDiffers', image: '/vm/b', definition: undefined, header: '/vm/a' }]
 *
 * @since 0.1.0
 */
export const chainFromDomain = (
  disk: DomainDisk,
  infos: ReadonlyArray<ImageInfo>,
  options: Partial<ChainOptions> = {},
): E.Either<DecodeError, DomainChain> => {
  const { members, problems } = membersOf(disk, byName(infos))
  const findings = [...members.flatMap((member, index) => findingsOf(member, members[index + 1])), ...goesOn(members)]
  const all = withDefinition(members, { disk: disk.target, ...options })
  for (const [index, { info }] of members.entries()) {
    const listed = members[index + 1]?.info.filename
    if (listed !== undefined && info.backing === undefined)
      problems.push({ _tag: 'BackingNotRecorded', image: info.filename, listed })
  }
  const images = members.map(({ info }, index) => describe(info, members[index + 1]?.info.filename, all)).reverse()
  return pipe(
    unlessUnlinked(problems, images),
    E.flatMap((linked) => E.mapLeft(modelWrong)(chain(all.disk, linked, nameIn(all, members[0]?.info.filename ?? '')))),
    E.map((made) => ({ chain: made, findings })),
  )
}
