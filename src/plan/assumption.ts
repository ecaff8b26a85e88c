/**
 * What the library cannot know and the plan relies on. Check it, or know that you do not.
 *
 * @since 0.1.0
 */
export type Assumption =
  /** Nobody outside the chain value reads these images, which are written or removed. */
  | { readonly _tag: 'NoOtherReaders'; readonly images: ReadonlyArray<string> }
  /** QEMU can open these files for writing when it has to: it crashes where it cannot rewrite a header. */
  | { readonly _tag: 'Writable'; readonly images: ReadonlyArray<string> }
  /** There is no file yet at this path; what is there would be overwritten. */
  | { readonly _tag: 'NothingAt'; readonly path: string }
  /** The file is there, and made as the plan says. */
  | { readonly _tag: 'MadeBefore'; readonly image: string; readonly path: string }
  /** The image that was made before holds no data of its own: what it held would show. */
  | { readonly _tag: 'HoldsNothing'; readonly image: string; readonly path: string }
  /** libvirt has no saved state of the domain: one would be resumed on the old chain. */
  | { readonly _tag: 'NoManagedSave'; readonly domain: string }
  /** These internal snapshots are lost, as the caller accepted. */
  | { readonly _tag: 'SnapshotsGo'; readonly image: string; readonly snapshots: ReadonlyArray<string> }
  /** A guest reads the same from both images. */
  | { readonly _tag: 'SameContents'; readonly left: string; readonly right: string }
  /** No program has these images open. */
  | { readonly _tag: 'Closed'; readonly images: ReadonlyArray<string> }
  /** From step `from` on, counted from 0, whoever starts the guest gives it this image; what lies below is in the image's header. */
  | { readonly _tag: 'StartsWith'; readonly image: string; readonly path: string; readonly from: number }
  /** The block device has room for this many bytes of virtual size, and for the metadata. */
  | { readonly _tag: 'DeviceHolds'; readonly image: string; readonly sizeBytes: number }
  /** Where the file of the image goes, there is room for this many bytes and the metadata: else writes of the guest fail meanwhile. */
  | { readonly _tag: 'RoomFor'; readonly image: string; readonly sizeBytes: number }
  /** The stored backing strings, read as QEMU reads them, lead to the files of the images that they name. */
  | { readonly _tag: 'HeadersLead'; readonly images: ReadonlyArray<string> }
  /** No kill between the rewrite of this header and the flush: libvirt cannot hold the job. The old backing string repairs it. */
  | { readonly _tag: 'NoKillBeforeFlush'; readonly image: string; readonly oldHeader: string }
  /** These bitmaps stay where they are, and stop following the guest. */
  | { readonly _tag: 'BitmapsStop'; readonly image: string; readonly bitmaps: ReadonlyArray<string> }
  /**
   * Until it has been copied nobody deletes or loads this internal snapshot of an image that QEMU has open, or writes to what lies
   * below: no lock is in his way, and the copy would be wrong without a word.
   */
  | { readonly _tag: 'StaysInside'; readonly image: string; readonly snapshot: string }
