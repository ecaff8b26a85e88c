/**
 * Where an image is stored.
 *
 * - `File`, `BlockDevice`: the path as QEMU is given it.
 * - `Network`: the URI as it stands in a backing string (`nbd://host/export`, `rbd:pool/image`).
 * - `Descriptor`: a `json:{...}` string, whole.
 *
 * @since 0.1.0
 */
export type Location =
  | { readonly _tag: 'File'; readonly path: string }
  | { readonly _tag: 'BlockDevice'; readonly path: string }
  | { readonly _tag: 'Network'; readonly uri: string }
  | { readonly _tag: 'Descriptor'; readonly json: string }

/**
 * The string that names a location in a header or on a command line.
 *
 * @since 0.1.0
 */
export const locationString = (location: Location): string => {
  switch (location._tag) {
    case 'File':
    case 'BlockDevice':
      return location.path
    case 'Network':
      return location.uri
    case 'Descriptor':
      return location.json
  }
}

/** The path of a file or block device; nothing for what has none. */
export const pathOf = (location: Location): string | undefined =>
  location._tag === 'File' || location._tag === 'BlockDevice' ? location.path : undefined

/** True where QEMU would read `text` as `protocol:...`: a colon before the first slash. */
export const hasProtocol = (text: string): boolean => {
  const colon = text.indexOf(':')
  const slash = text.indexOf('/')
  return colon >= 0 && (slash < 0 || colon < slash)
}

/** True where a string means the same from every directory. */
export const isAbsolute = (text: string): boolean => text.startsWith('/') || hasProtocol(text)

/** Why a path can be that of no file; nothing where it can. */
export const noFileAt = (path: string): string | undefined => {
  if (path.includes('\0')) return 'a path has no NUL'
  const last = path.slice(path.lastIndexOf('/') + 1)
  return last === '' || last === '.' || last === '..' ? 'it does not end in the name of a file' : undefined
}
