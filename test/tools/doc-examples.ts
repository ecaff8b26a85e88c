/**
 * Turns every `ts` block of the documentation into a test: README.md, docs/, the Markdown in src/ and examples/, and the
 * `@example` tags of src. `npm run docs:extract` writes them to test/docs/.generated/.
 *
 *     expression // => value        the expression equals the value
 *     const name = expression       so does a name; the comment may stand on the next line and go on for several
 *     // => { a: 1,
 *     //      b: 2 }
 *
 * A fence marked `ts continued` goes on after the block before it, one marked `ts no-run` is compiled only.
 * A block that asserts nothing is an error.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { blocksOfMarkdown, blocksOfSource } from './doc-blocks.js'
import { testFile } from './doc-tests.js'

const generated = 'test/docs/.generated'

const filesUnder = (folder: string, ending: RegExp): ReadonlyArray<string> =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => ending.test(name) && !name.includes('node_modules'))
        .map((name) => join(folder, name).replaceAll('\\', '/'))
        .sort()
    : []

const sources = [
  ...(existsSync('README.md') ? ['README.md'] : []),
  ...filesUnder('docs', /\.md$/),
  ...filesUnder('src', /\.(md|ts)$/),
  ...filesUnder('examples', /\.md$/),
]

const problems: Array<string> = []
let blockCount = 0
let testCount = 0

rmSync(generated, { recursive: true, force: true })
mkdirSync(generated, { recursive: true })

for (const source of sources) {
  try {
    const text = readFileSync(source, 'utf8')
    const blocks = source.endsWith('.md') ? blocksOfMarkdown(source, text) : blocksOfSource(source, text)
    if (blocks.length === 0) continue
    const file = testFile(blocks)
    const name = `${source.replaceAll('/', '.')}${file.tests > 0 ? '.test' : ''}.ts`
    writeFileSync(join(generated, name), file.text)
    blockCount += blocks.length
    testCount += file.tests
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
}

writeFileSync(join(generated, 'count.ts'), `export const blocks = ${blockCount}\nexport const tests = ${testCount}\n`)
for (const problem of problems) console.error(problem)
console.log(`${blockCount} blocks of documentation, ${testCount} of them tests, ${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1
