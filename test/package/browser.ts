/**
 * Loads the packed main entry and codec in a page in headless Chromium, bundled with no Node polyfill.
 * Needs a build (`npm run build`) and Debian's chromium; `CHROMIUM` names another one.
 */
import { buildSync } from 'esbuild'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inTemporaryFolder, install, pack, run } from './install.js'

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
]

const pageOf = (script: string): string =>
  `<!doctype html><meta charset="utf-8"><title>backing-chain</title><pre id="result">not loaded</pre>
<script type="module">${script.replaceAll('</script', '<\\/script')}</script>\n`

inTemporaryFolder((folder) => {
  const project = join(folder, 'project')
  install(pack(folder), project, ['fp-ts', 'io-ts'])
  const bundled = join(project, 'bundled.js')
  buildSync({
    absWorkingDir: project,
    entryPoints: ['page.js'],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    outfile: bundled,
    logLevel: 'warning',
  })
  const page = join(project, 'page.html')
  writeFileSync(page, pageOf(readFileSync(bundled, 'utf8')))
  const profile = `--user-data-dir=${join(folder, 'profile')}`
  const chromium = process.env['CHROMIUM'] ?? 'chromium'
  const dom = run(project, chromium, ...flags, profile, '--dump-dom', pathToFileURL(page).href)
  const result = /<pre id="result">(.*?)<\/pre>/.exec(dom)?.[1]
  if (!/^loaded: [1-9]\d* and [1-9]\d* exports, process is undefined$/.test(result ?? '')) {
    throw new Error(`the page says: ${result ?? dom}`)
  }
  console.log(`ok  headless Chromium, ${result}`)
})
