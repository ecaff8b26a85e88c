const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** A number with a comma between each three digits. */
export const digits = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',')

/** A size for reading, and the exact one: `1.5 KiB (1,536 bytes)`. */
export const sizeText = (bytes: number): string => {
  const exact = bytes === 1 ? '1 byte' : `${digits(bytes)} bytes`
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const unit = units[step]
  if (step === 0 || unit === undefined) return exact
  const rounded = Math.round((bytes / 1024 ** step) * 10) / 10
  return `${String(rounded)} ${unit} (${exact})`
}
