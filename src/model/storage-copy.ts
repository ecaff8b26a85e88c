import type { Chain } from './chain.js'
import { activeImage, path } from './chain-query.js'
import { combineHeader, folderOf, normalPath, samePath } from './header.js'
import type { Image } from './image.js'
import { isAbsolute, pathOf } from './location.js'
import type { LevelBelow } from './storage-level.js'

/**
 * A snapshot that an image held of its disk when it was copied: by being frozen, or inside it.
 *
 * @since 0.2.0
 */
export interface CopiedPoint {
  readonly snapshot: string
  readonly image: string
  readonly held: 'frozen' | 'inside'
  readonly creationTime: string | undefined
}

/**
 * What a level below QEMU has of one disk.
 *
 * - `path`: where the copy of the active image is; nothing, where somebody else has it and nobody has said.
 * - `image`: the active image as it was then; `chain`: the images that it was read through, base first, itself the last.
 * - `inside`: all images of the disk that the copy has, the active one among them; `images`: what they were then.
 * - `points`: the snapshots that were in them.
 * - `reads`: the images that the copy still reads where they are, base first: they have to stay as they are as long as it does.
 * - `losesBitmaps`: bitmaps of an image that QEMU had open for writing, those that did not record too: it stores them only when it closes
 *   the image, and they are inconsistent in the copy.
 *
 * @since 0.2.0
 */
export interface StorageCopy {
  readonly disk: string
  readonly snapshot: string
  readonly level: LevelBelow
  readonly path: string | undefined
  readonly image: Image
  readonly chain: ReadonlyArray<string>
  readonly inside: ReadonlyArray<string>
  readonly images: ReadonlyArray<Image>
  readonly points: ReadonlyArray<CopiedPoint>
  readonly reads: ReadonlyArray<string>
  readonly losesBitmaps: ReadonlyArray<string>
}

/** The device of a logical volume. */
export const volumePath = (group: string, volume: string): string => `/dev/${group}/${volume}`

const mapped = (name: string): string => name.replaceAll('-', '--')

/** True for a path by which LVM gives out this volume. */
export const isVolume = (
  { group, volume }: { readonly group: string; readonly volume: string },
  file: string,
): boolean =>
  samePath(file, volumePath(group, volume)) || samePath(file, `/dev/mapper/${mapped(group)}-${mapped(volume)}`)

/** The volume that a snapshot of a volume is. */
export const copyVolume = (volume: string, snapshot: string): string => `${volume}.${snapshot}`

/** The folder that a snapshot of a subvolume is. */
export const copySubvolume = (
  { subvolume, snapshots }: { readonly subvolume: string; readonly snapshots: string },
  snapshot: string,
): string => {
  const name = normalPath(subvolume)
  return `${normalPath(snapshots)}/${name.slice(name.lastIndexOf('/') + 1)}.${snapshot}`
}

/** True for a path in a folder, however deep. */
export const isIn = (folder: string, file: string): boolean => normalPath(file).startsWith(`${normalPath(folder)}/`)

/** Where a level has the copy of what is at a path; nothing for what it does not copy. */
export const copyPath = (
  level: LevelBelow,
  snapshot: string,
  of: { readonly file: string; readonly active: string },
) => {
  const { file, active } = of
  switch (level._tag) {
    case 'Btrfs':
      return isIn(level.subvolume, file)
        ? copySubvolume(level, snapshot) + normalPath(file).slice(normalPath(level.subvolume).length)
        : undefined
    case 'Lvm':
      return samePath(file, active) ? volumePath(level.group, copyVolume(level.volume, snapshot)) : undefined
    case 'Reflink': {
      const name = normalPath(file).slice(folderOf(file).length)
      const folder = level.folder === undefined ? folderOf(file) : `${normalPath(level.folder)}/`
      return samePath(file, active) ? `${folder}${name}.${snapshot}` : undefined
    }
    case 'Other':
      return undefined
  }
}

/** The images of a disk that a copy has, by the files that they are in: on the way of the guest or beside it. */
export const copiedImages = (chain: Chain, level: LevelBelow, snapshot: string): ReadonlyArray<Image> => {
  const active = pathOf(activeImage(chain).location) ?? ''
  if (level._tag === 'Other') return [activeImage(chain)]
  return Array.from(chain.images.values()).filter(
    ({ location }) => copyPath(level, snapshot, { file: pathOf(location) ?? '', active }) !== undefined,
  )
}

/** The images that a copy reads where they are, base first; or the image whose backing string leads away from there. */
export type CopyReach =
  | { readonly _tag: 'Reads'; readonly reads: ReadonlyArray<Image> }
  | { readonly _tag: 'LeadsAway'; readonly image: Image; readonly header: string }

/** Follows the backing strings of a copy from where it is, as QEMU does. */
export const copyReach = (chain: Chain, level: LevelBelow, snapshot: string): CopyReach => {
  const down = [...(path(chain) ?? [])].reverse()
  const active = pathOf(activeImage(chain).location) ?? ''
  for (const [depth, image] of down.entries()) {
    const file = pathOf(image.location) ?? ''
    const here = copyPath(level, snapshot, { file, active })
    const next = down[depth + 1]
    if (next === undefined || image.backing === undefined) break
    const { header } = image.backing
    const below = pathOf(next.location) ?? ''
    const led = combineHeader(here ?? file, header)
    if (here !== undefined && samePath(led, copyPath(level, snapshot, { file: below, active }))) continue
    const moved = here !== undefined && folderOf(here) !== folderOf(file) && !isAbsolute(header)
    return moved && !samePath(led, below)
      ? { _tag: 'LeadsAway', image, header }
      : { _tag: 'Reads', reads: down.slice(depth + 1).reverse() }
  }
  return { _tag: 'Reads', reads: [] }
}
