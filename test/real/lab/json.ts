// Guards for JSON that another program wrote. Each throws with what it found: in the lab a surprise is a failed test.

export interface Fields {
  readonly [key: string]: unknown
}

export const parseJson = (text: string): unknown => JSON.parse(text)

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const unexpected = (expected: string, value: unknown): Error =>
  new Error(`expected ${expected}, got ${JSON.stringify(value) ?? 'undefined'}`)

export const fields = (value: unknown): Fields => {
  if (isFields(value)) return value
  throw unexpected('an object', value)
}

export const list = (value: unknown): ReadonlyArray<unknown> => {
  if (Array.isArray(value)) return value
  throw unexpected('a list', value)
}

export const text = (value: unknown): string => {
  if (typeof value === 'string') return value
  throw unexpected('a text', value)
}

export const integer = (value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw unexpected('an integer', value)
}

export const flag = (value: unknown): boolean => {
  if (typeof value === 'boolean') return value
  throw unexpected('true or false', value)
}

/** Applies a guard to what is there and lets through what is not. */
export const optional = <A>(guard: (value: unknown) => A, value: unknown): A | undefined =>
  value === undefined ? undefined : guard(value)
