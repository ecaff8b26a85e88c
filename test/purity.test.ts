import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../src/', import.meta.url))
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

/** Comments may speak of them; code may not use them. */
const codeOf = (name: string): string =>
  readFileSync(join(root, name), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*/g, '')

it('looks at the sources', () => {
  expect(sources.length).toBeGreaterThan(100)
})

it.each([
  ['a module of Node', /from 'node:|require\(|from '(?:fs|path|os|child_process|crypto)'/],
  ['the clock', /\bDate\b|performance\.now/],
  ['randomness', /Math\.random|crypto\.getRandomValues/],
  ['the environment', /\bprocess\.(?:env|argv|cwd|exit|platform|std)|globalThis|\bwindow\./],
  ['the console', /\bconsole\b\./],
])('no source uses %s', (_, used) => {
  expect(sources.filter((name) => used.test(codeOf(name)))).toStrictEqual([])
})
