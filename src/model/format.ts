/**
 * The image formats that can stand in a chain, by QEMU's driver names.
 *
 * @since 0.1.0
 */
export type Format =
  'raw' | 'qcow2' | 'qed' | 'qcow' | 'vmdk' | 'parallels' | 'luks' | 'vdi' | 'vpc' | 'vhdx' | 'dmg' | 'bochs' | 'cloop'

/**
 * What a format can do in a chain, as QEMU 10.0 has it (`block/*.c`: `supports_backing`, `bdrv_co_change_backing_file`,
 * `bdrv_co_truncate`).
 *
 * - `holds`: `overlay` can have a backing file and change it; `fixed-overlay` can have one and never change it; `base`
 *   can only be the first image of a chain.
 * - `holes`: whether a cluster can be unallocated; a raw image has no holes.
 * - `records`: whether the header stores the backing file's format; `same` where the backing file must have the overlay's.
 * - `grows`: whether QEMU can enlarge an image of this format; `writes`: whether it can write one at all.
 *
 * @since 0.1.0
 */
export interface FormatTraits {
  readonly holds: 'overlay' | 'fixed-overlay' | 'base'
  readonly holes: 'possible' | 'none'
  readonly records: 'format' | 'same' | 'nothing'
  readonly grows: 'yes' | 'no'
  readonly writes: 'yes' | 'no'
}

const base = (grows: FormatTraits['grows'], holes: FormatTraits['holes'] = 'none'): FormatTraits => ({
  holds: 'base',
  holes,
  records: 'nothing',
  grows,
  writes: 'yes',
})

const traits: { readonly [F in Format]: FormatTraits } = {
  raw: base('yes'),
  luks: base('yes'),
  vdi: base('no', 'possible'),
  vpc: base('no', 'possible'),
  vhdx: base('no', 'possible'),
  dmg: { ...base('no'), writes: 'no' },
  bochs: { ...base('no', 'possible'), writes: 'no' },
  cloop: { ...base('no'), writes: 'no' },
  qcow2: { holds: 'overlay', holes: 'possible', records: 'format', grows: 'yes', writes: 'yes' },
  qed: { holds: 'overlay', holes: 'possible', records: 'nothing', grows: 'yes', writes: 'yes' },
  qcow: { holds: 'fixed-overlay', holes: 'possible', records: 'nothing', grows: 'no', writes: 'yes' },
  vmdk: { holds: 'fixed-overlay', holes: 'possible', records: 'same', grows: 'no', writes: 'yes' },
  parallels: { holds: 'fixed-overlay', holes: 'possible', records: 'same', grows: 'yes', writes: 'yes' },
}

/**
 * What a format can do in a chain.
 *
 * @example
 * import { traitsOf } from 'backing-chain'
 *
 * traitsOf('raw').holds // => 'base'
 *
 * @since 0.1.0
 */
export const traitsOf = (format: Format): FormatTraits => traits[format]

/**
 * True for the name of a format that this library knows.
 *
 * @since 0.1.0
 */
export const isFormat = (name: string): name is Format => Object.hasOwn(traits, name)

/**
 * Every format that this library knows, by QEMU's driver names.
 *
 * @since 0.1.0
 */
export const formats: ReadonlyArray<Format> = Object.keys(traits).filter(isFormat)
