/**
 * An immutable map from text whose changed copies share what they have in common, so that a world of 100,000 files can be
 * changed 100,000 times without copying 10^10 entries. A trie over a 32-bit hash; equal hashes share a leaf.
 */
export interface Table<V> {
  readonly trie: Trie<V>
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
export const emptyTable: Table<never> = { trie: emptyLeaf }

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

/** Where in the trie a key belongs. */
interface Place {
  readonly key: string
  readonly hash: number
  readonly level: number
}

const inLeaf = <V>(entries: ReadonlyArray<Entry<V>>, { key, level }: Place, value: V | undefined): Trie<V> => {
  const at = entries.findIndex(([name]) => name === key)
  if (value === undefined) return { kind: 'leaf', entries: entries.filter((_, index) => index !== at) }
  if (at < 0) return split([...entries, [key, value]], level)
  const changed = [...entries]
  changed[at] = [key, value]
  return { kind: 'leaf', entries: changed }
}

const inTrie = <V>(trie: Trie<V>, place: Place, value: V | undefined): Trie<V> => {
  if (trie.kind === 'leaf') return inLeaf(trie.entries, place, value)
  const slot = slotOf(place.hash, place.level)
  const children = trie.children.slice()
  children[slot] = inTrie(children[slot] ?? emptyLeaf, { ...place, level: place.level + 1 }, value)
  return { kind: 'branch', children }
}

const at = (key: string): Place => ({ key, hash: hashOf(key), level: 0 })

/** The table with a value under a key, whatever was there before. */
export const insert = <V>(table: Table<V>, key: string, value: V): Table<V> => ({
  trie: inTrie(table.trie, at(key), value),
})

/** The table without a key. */
export const without = <V>(table: Table<V>, key: string): Table<V> => ({
  trie: inTrie(table.trie, at(key), undefined),
})

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
