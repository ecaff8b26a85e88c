import type { XmlElement } from './xml.js'

/**
 * Where the memory of a guest that was saved is: where libvirt keeps it for the next start (`virsh managedsave`), or in a file
 * of the caller's (`virsh save`).
 *
 * @since 0.2.0
 */
export type SavedPlace = { readonly kind: 'managed' } | { readonly kind: 'file'; readonly path: string }

/**
 * An image that a saved state pins; what nobody knows of it is nothing.
 *
 * @since 0.2.0
 */
export interface PinnedImage {
  readonly path: string
  readonly format: string | undefined
  readonly sizeBytes: number | undefined
}

/**
 * The memory of a guest that is to go on later, with no disk in it: it goes on only on the very disks that it was saved on.
 *
 * - `guest`: what it does once it is restored.
 * - `definition`: the `<domain>` that the state carries, as `virsh managedsave-dumpxml` or `virsh save-image-dumpxml` prints it.
 *   libvirt restores on the disks that this names, whatever the domain's own definition says.
 * - `known`: `as printed`, or `foreseen` by the plan that saved it, which says the same of the disks; libvirt takes it not back.
 * - `disks`: `written since` once the guest has run, or the caller knows of another change. libvirt does not ask.
 * - `images`: what each disk read when it was saved, base first, where somebody looked.
 *
 * @since 0.2.0
 */
export interface SavedState {
  readonly place: SavedPlace
  readonly guest: 'running' | 'paused'
  readonly definition: XmlElement
  readonly known: 'as printed' | 'foreseen'
  readonly disks: 'as saved' | 'written since'
  readonly images?: ReadonlyMap<string, ReadonlyArray<PinnedImage>>
}

/** True for the same place. */
export const samePlace = (a: SavedPlace, b: SavedPlace): boolean =>
  a.kind === 'managed' ? b.kind === 'managed' : b.kind === 'file' && a.path === b.path

/** The state that libvirt resumes at the next start, where there is one. */
export const managedIn = (saved: ReadonlyArray<SavedState>): SavedState | undefined =>
  saved.find(({ place }) => place.kind === 'managed')

/** True where the disks are as they were when a guest's memory was saved: not everything has been written to them. */
export const isMidway = (saved: ReadonlyArray<SavedState>): boolean => saved.some(({ disks }) => disks === 'as saved')

/** The states once the guest has run: none of them fits the disks any more. */
export const writtenSince = (saved: ReadonlyArray<SavedState>): ReadonlyArray<SavedState> =>
  saved.map((one) => (one.disks === 'written since' ? one : { ...one, disks: 'written since' }))
