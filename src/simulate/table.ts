/**
 * An immutable map from text whose changed copies share what they have in common, so that a world of 100,000 files can be
 * changed 100,000 times without copying 10^10 entries. A trie over a 32-bit hash; equal hashes share a leaf.
 */
export interface Table<V> {
  readonly trie: Trie<V>
  readonly size: number
}

type Entry<V> = readonly [string, V]
type Trie<V> =
  | { readonly kind: 'leaf'; readonly entries: ReadonlyArray<Entry<V>> }
  | { readonly kind: 'branch'; readonly children: ReadonlyArray<Trie<V> | undefined> }

const bitsPerLevel = 5
const deepest = 6
const fullLeaf = 8

/** FNV-1a over UTF-16 units. */
const hashOf = (key: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

const slotOf = (hash: number, level: number): number => (hash >>> (level * bitsPerLevel)) & 31

const emptyLeaf = { kind: 'leaf', entries: [] } as const

/** The table with nothing in it. */
export const emptyTable: Table<never> = { trie: emptyLeaf, size: 0 }

/** What is stored under a key, or nothing. */
export const lookup = <V>(table: Table<V>, key: string): V | undefined => {
  const hash = hashOf(key)
  let trie: Trie<V> | undefined = table.trie
  for (let level = 0; trie !== undefined && trie.kind === 'branch'; level++) trie = trie.children[slotOf(hash, level)]
  return trie?.entries.find(([name]) => name === key)?.[1]
}

/** Deals the entries of a full leaf out to a branch; at most {@link deepest} levels deep. */
const split = <V>(entries: ReadonlyArray<Entry<V>>, level: number): Trie<V> => {
  if (entries.length <= fullLeaf || level > deepest) return { kind: 'leaf', entries }
  const hands = Array.from({ length: 32 }, (): Array<Entry<V>> => [])
  for (const entry of entries) hands[slotOf(hashOf(entry[0]), level)]?.push(entry)
  return { kind: 'branch', children: hands.map((hand) => (hand.length === 0 ? undefined : split(hand, level + 1))) }
}

/** What becomes of the leaf that holds the key, or would. */
type Edit<V> = (entries: ReadonlyArray<Entry<V>>) => ReadonlyArray<Entry<V>>

const edited = <V>(trie: Trie<V>, at: { hash: number; level: number }, edit: Edit<V>): Trie<V> => {
  if (trie.kind === 'leaf') return split(edit(trie.entries), at.level)
  const slot = slotOf(at.hash, at.level)
  const children = [...trie.children]
  children[slot] = edited(children[slot] ?? emptyLeaf, { hash: at.hash, level: at.level + 1 }, edit)
  return { kind: 'branch', children }
}

/** The table with a value under a key, whatever was there before. */
export const insert = <V>(table: Table<V>, key: string, value: V): Table<V> => {
  const known = lookup(table, key) !== undefined
  const edit: Edit<V> = (entries) => [...entries.filter(([name]) => name !== key), [key, value]]
  return { trie: edited(table.trie, { hash: hashOf(key), level: 0 }, edit), size: table.size + (known ? 0 : 1) }
}

/** The table without a key. */
export const without = <V>(table: Table<V>, key: string): Table<V> => {
  if (lookup(table, key) === undefined) return table
  const edit: Edit<V> = (entries) => entries.filter(([name]) => name !== key)
  return { trie: edited(table.trie, { hash: hashOf(key), level: 0 }, edit), size: table.size - 1 }
}

/** Every key with its value, in an order that depends on the keys alone. */
export const entriesOf = <V>(table: Table<V>): ReadonlyArray<Entry<V>> => {
  const found: Array<Entry<V>> = []
  const open: Array<Trie<V>> = [table.trie]
  for (let trie = open.pop(); trie !== undefined; trie = open.pop()) {
    if (trie.kind === 'leaf') for (const entry of trie.entries) found.push(entry)
    else for (const child of trie.children) if (child !== undefined) open.push(child)
  }
  return found
}
