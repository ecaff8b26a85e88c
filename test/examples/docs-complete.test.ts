// What docs/ has to mention, whoever adds something.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const read = (path: string): string => readFileSync(path, 'utf8')

const matches = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  Array.from(text.matchAll(pattern), ([, found = '']) => found)

const unique = (names: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(names)].sort()

const source = read('src/plan/refusal.ts')
const facts = source.slice(source.indexOf('type Facts'), source.indexOf('export type Refusal'))
const tags = unique(matches(facts, /_tag: '(\w+)'/g))
const alternatives = unique(
  matches(source.slice(source.indexOf('type Alternative'), source.indexOf('type AcceptableTag')), /_tag: '(\w+)'/g),
)

it('finds the tags', () => {
  expect(tags.length).toBeGreaterThan(20)
  expect(alternatives.length).toBeGreaterThan(5)
})

it('docs/refusals.md has a heading for every refusal, and for nothing else', () => {
  expect(unique(matches(read('docs/refusals.md'), /^### (\w+)$/gm))).toEqual(tags)
})

it.each(alternatives.filter((tag) => tag !== 'Accept'))('docs/refusals.md mentions the alternative %s', (tag) => {
  expect(read('docs/refusals.md')).toContain(`\`${tag}\``)
})

/** The refusals that the docstring of an operation lists. */
const documented = (file: string): ReadonlyArray<string> => {
  const [, text = ''] = /Refuses, in this order: ([^]*?)\.\n \*\n/.exec(read(file)) ?? []
  return unique(matches(text, /`([A-Z]\w+)`/g))
}

describe.each(['add-overlay', 'commit', 'pull', 'copy', 'rename'])('docs/%s.md', (operation) => {
  const page = read(`docs/${operation}.md`)

  it('has a row for every refusal of its operation, and for no other', () => {
    const table = page.slice(page.indexOf('## Refusals'))
    expect(unique(matches(table, /\[`(\w+)`\]\(refusals\.md#\w+\)/g))).toEqual(
      documented(`src/operation/${operation}.ts`),
    )
  })

  it('links to headings that are there', () => {
    for (const anchor of matches(page, /refusals\.md#(\w+)/g))
      expect(tags.map((tag) => tag.toLowerCase())).toContain(anchor)
  })
})

it.each(['take', 'delete', 'revert'])('docs/%s.md names every refusal of its operation', (operation) => {
  const table = read(`docs/${operation}.md`).split('## Refusals')[1] ?? ''
  const tags = documented(`src/operation/${operation}.ts`)
  expect(tags.length).toBeGreaterThan(5)
  expect(tags.filter((tag) => !table.includes(`\`${tag}\``))).toEqual([])
})

const pages = ['README.md', 'src/README.md', ...readdirSync('docs').map((name) => `docs/${name}`)]

it.each(pages)('every link of %s leads somewhere', (page) => {
  const links = matches(read(page), /\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)
  expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([])
})

it.each(pages)('%s names no path of somebody else’s machine', (page) => {
  expect(read(page)).not.toMatch(/\/(work|home|Users|root)\//)
})

it('docs/traps.md names tests that there are', () => {
  const named = Array.from(
    read('docs/traps.md')
      .replace(/\s+/g, ' ')
      .matchAll(/`(test\/[\w./-]+\.ts)`(?:: "([^"]+)")?/g),
  )
  expect(named.length).toBeGreaterThan(20)
  const missing = named.filter(([, file = '', name = '']) => !existsSync(file) || !read(file).includes(name))
  expect(missing.map(([text]) => text)).toEqual([])
})

it('src/README.md has a line for every file of src', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const text = read('src/README.md')
  expect(files.filter((name) => !text.includes(`\`${name.replaceAll('\\', '/')}\``))).toEqual([])
})

it('docs/refusals.md has a row for every refusal of a machine, and names every other way', () => {
  const refusals = read('src/plan/machine-refusal.ts')
  const ways = refusals.slice(refusals.indexOf('type MachineAlternative'), refusals.indexOf('type MachineFacts'))
  const reasons = refusals.slice(refusals.indexOf('type MachineFacts'), refusals.indexOf('export type MachineRefusal'))
  const page = read('docs/refusals.md').split('## Of a machine')[1] ?? ''
  expect(unique(matches(page, /^\| `(\w+)` /gm))).toEqual(unique(matches(reasons, /_tag: '(\w+)'/g)))
  const named = unique(matches(ways, /_tag: '(\w+)'/g))
  expect(named.filter((tag) => !page.includes(`\`${tag}\``))).toEqual([])
})
