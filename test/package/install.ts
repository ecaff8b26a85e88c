import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export const entries = ['backing-chain', 'backing-chain/codec', 'backing-chain/simulate', 'backing-chain/testing']

/** Runs a program and gives back what it printed; when it fails, what it printed is shown and the error goes on. */
export const run = (cwd: string, program: string, ...args: ReadonlyArray<string>): string => {
  try {
    return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 })
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string }
    console.error(`${stdout ?? ''}${stderr ?? ''}`)
    throw new Error(`failed: ${[program, ...args].join(' ')}`)
  }
}

/** Runs `work` in a new empty folder, which is gone afterwards. */
export const inTemporaryFolder = <A>(work: (folder: string) => A): A => {
  const folder = mkdtempSync(join(tmpdir(), 'backing-chain-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Packs the repository as npm would publish it; gives the path of the tarball. */
export const pack = (folder: string): string => {
  const report = JSON.parse(run(root, 'npm', 'pack', '--silent', '--json', '--pack-destination', folder)) as unknown
  const [packed] = Object.values(report as Record<string, { readonly filename: string }>)
  if (packed === undefined) throw new Error('npm pack named no file')
  return join(folder, packed.filename)
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
}

/** The named packages and all that they depend on, as folders of this repository's node_modules. */
const withDependencies = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const found = new Set<string>()
  const visit = (name: string): void => {
    const folder = join(root, 'node_modules', name)
    if (found.has(folder)) return
    found.add(folder)
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
    for (const dependency of Object.keys(manifest.dependencies ?? {})) visit(dependency)
  }
  for (const name of names) visit(name)
  return [...found]
}

/** Installs the tarball into an empty project, with the named peers. Asks no registry: this repository has them all. */
export const install = (tarball: string, project: string, peers: ReadonlyArray<string>): void => {
  mkdirSync(project, { recursive: true })
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  const folders = withDependencies([...Object.keys(manifest.dependencies ?? {}), ...peers])
  const quiet = ['--offline', '--ignore-scripts', '--install-links', '--no-audit', '--no-fund', '--silent']
  run(project, 'npm', 'install', ...quiet, tarball, ...folders)
  cpSync(join(dirname(fileURLToPath(import.meta.url)), 'consumer'), project, { recursive: true })
}

export const tool = (name: string): string => {
  const path = join(root, 'node_modules', '.bin', name)
  if (!existsSync(path)) throw new Error(`${name} is not installed: npm ci`)
  return path
}
