/**
 * Checks the package as a user gets it: packed, installed into an empty folder, imported in each way there is.
 * Needs a build (`npm run build`) and no network.
 */
import { buildSync } from 'esbuild'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { entries, inTemporaryFolder, install, pack, root, run, tool } from './install.js'

const check = (what: string, work: () => void): void => {
  const before = performance.now()
  work()
  console.log(`ok  ${what} (${Math.round(performance.now() - before)} ms)`)
}

const expectNames = (what: string, printed: string, expected?: string): string => {
  const names = JSON.parse(printed) as Record<string, ReadonlyArray<string>>
  for (const [entry, exported] of Object.entries(names)) {
    if (exported.length === 0) throw new Error(`${what}: ${entry} exports nothing`)
    if (exported.includes('default')) throw new Error(`${what}: ${entry} has a default export`)
  }
  if (expected !== undefined && printed !== expected) {
    throw new Error(`${what}: the exports differ\n${printed}\n${expected}`)
  }
  return printed
}

/** The files that a user gets: the build and the papers, and no path of the machine that built them. */
const checkFiles = (folder: string, tarball: string): void => {
  run(folder, 'tar', '-xzf', tarball)
  const files = readdirSync(join(folder, 'package'), { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
  for (const file of files) {
    const path = join(file.parentPath, file.name).slice(join(folder, 'package').length + 1)
    if (!/^(dist\/.*\.(js|cjs|d\.ts|d\.cts|map)|package\.json|(README|CHANGELOG)\.md|LICENSE)$/.test(path)) {
      throw new Error(`the package holds ${path}`)
    }
    if (readFileSync(join(folder, 'package', path), 'utf8').includes(root)) throw new Error(`${path} names ${root}`)
  }
  for (const needed of ['README.md', 'LICENSE', 'CHANGELOG.md']) {
    if (!files.some(({ name }) => name === needed)) throw new Error(`the package lacks ${needed}`)
  }
}

const compilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  target: 'ES2022',
  lib: ['ES2023', 'DOM'],
  types: [],
  skipLibCheck: false,
}

const typeCheck = (project: string, options: object, files: ReadonlyArray<string>): void => {
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, ...options }, files }),
  )
  run(project, tool('tsc'), '-p', 'tsconfig.json')
}

inTemporaryFolder((folder) => {
  const tarball = pack(folder)
  const lean = join(folder, 'lean')
  const full = join(folder, 'full')
  const withoutTesting = entries.filter((entry) => !entry.endsWith('/testing'))
  let names = ''

  check('files of the package', () => checkFiles(folder, tarball))
  check('publint', () => run(root, tool('publint'), '--strict', tarball))
  check('are the types wrong', () =>
    run(root, tool('attw'), tarball, '--profile', 'node16', '--no-emoji', '--no-color'),
  )
  check('installs without fast-check', () => install(tarball, lean, ['fp-ts', 'io-ts']))
  check('native ESM without fast-check', () => {
    expectNames('esm', run(lean, process.execPath, 'esm.mjs', ...withoutTesting))
  })
  check('CommonJS without fast-check', () => {
    expectNames('cjs', run(lean, process.execPath, 'cjs.cjs', ...withoutTesting))
  })
  check('installs with every peer', () => install(tarball, full, ['fp-ts', 'io-ts', 'fast-check']))
  check('native ESM', () => {
    names = expectNames('esm', run(full, process.execPath, 'esm.mjs', ...entries))
  })
  check('CommonJS', () => expectNames('cjs', run(full, process.execPath, 'cjs.cjs', ...entries), names))
  check('TypeScript nodenext', () => {
    typeCheck(full, { module: 'nodenext', outDir: 'out' }, ['typed.ts', 'typed-cjs.cts'])
    expectNames('nodenext', run(full, process.execPath, 'out/typed.js'), names)
    run(full, process.execPath, 'out/typed-cjs.cjs')
  })
  check('TypeScript bundler', () => {
    typeCheck(full, { module: 'esnext', moduleResolution: 'bundler', noEmit: true }, ['typed.ts'])
    buildSync({
      absWorkingDir: full,
      entryPoints: ['typed.ts'],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      outfile: 'bundled.mjs',
      logLevel: 'warning',
    })
    expectNames('bundler', run(full, process.execPath, 'bundled.mjs'), names)
  })
})
