// One virsh for many commands: to start it costs more than most commands do.

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { watched } from './child.js'
import { run, type Ran } from './exec.js'

export interface Virsh {
  /** Runs a command as `virsh -q -c uri ...args` would; what it says is a value, and its exit code 1 where it says `error: `. */
  readonly run: (...args: ReadonlyArray<string>) => Promise<Ran>
  /** Ends every virsh that waits for a command: its daemon is to go. */
  readonly drop: () => void
}

type Said = Pick<Ran, 'code' | 'stdout' | 'stderr'>

interface Shell {
  readonly run: (line: string) => Promise<Said>
  readonly kill: () => void
}

const prompt = 'virsh # '

/** What was printed between two marks: behind the line that readline shows again, before the prompt of the second mark. */
const between = (stdout: string, mark: string): string | undefined => {
  const [first, last] = [stdout.indexOf(`${mark}b`), stdout.lastIndexOf(`${mark}e`)]
  if (first < 0 || last < 0) return undefined
  const shown = stdout.slice(first + mark.length + 1, last)
  return shown.slice(shown.indexOf('\n') + 1, shown.lastIndexOf(prompt))
}

/** The marks are asked for in two pieces, so that a line that is shown again has none. */
const marked = (line: string, mark: string): string => {
  const echo = (which: string): string => `"@""${mark.slice(1)}${which}"`
  return `echo ${echo('b')}\n${line}\necho ${echo('e')}; echo --err ${echo('e')}\n`
}

const openShell = (argv: ReadonlyArray<string>, inputrc: string): Shell => {
  const [program = 'virsh', ...words] = argv
  const env = { ...process.env, LC_ALL: 'C', TERM: 'dumb', INPUTRC: inputrc, XDG_CACHE_HOME: `${inputrc}.cache` }
  const child = spawn(program, words, { env, stdio: 'pipe' })
  const { exited, stderr, reap } = watched(child, 'virsh')
  let stdout = ''
  let counted = 0
  let look: () => void = () => undefined
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    look()
  })
  child.stderr.on('data', () => {
    look()
  })
  child.stdin.on('error', () => undefined)
  const ask: Shell['run'] = async (line) => {
    const mark = `@@${String(counted++)}`
    const from = stderr().length
    stdout = ''
    const said = new Promise<Said>((resolve) => {
      look = () => {
        const [shown, end] = [between(stdout, mark), stderr().indexOf(`error: ${mark}e\n`, from)]
        if (shown === undefined || end < 0) return
        const words = stderr().slice(from, end)
        resolve({ code: /^error: /m.test(words) ? 1 : 0, stdout: shown, stderr: words })
      }
    })
    child.stdin.write(marked(line, mark))
    return Promise.race([said, exited.then(() => ({ code: -1, stdout, stderr: stderr().slice(from) }))])
  }
  return { run: ask, kill: reap }
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** One word is a line, as it is to virsh. */
const lineOf = (args: ReadonlyArray<string>): string =>
  args.length === 1 ? (args[0] ?? '') : args.map(quoted).join(' ')

/** Nothing in it is a key to readline. */
const isPlain = (line: string): boolean => /^[ -~]+$/.test(line)

const patienceMs = 120_000

/** Several commands may run at a time: each has a virsh for itself, and the next one gets it. `folder` is for files of virsh's. */
export const virshFor = (uri: string, folder: string): Virsh => {
  const base = ['virsh', '-q', '-c', uri]
  const inputrc = join(folder, 'inputrc')
  writeFileSync(inputrc, 'set disable-completion on\nset enable-bracketed-paste off\n')
  const idle: Shell[] = []
  let era = 0
  const within = async (line: string): Promise<Said> => {
    const began = era
    const shell = idle.pop() ?? openShell(base, inputrc)
    const late = setTimeout(shell.kill, patienceMs)
    const said = await shell.run(line)
    clearTimeout(late)
    if (began === era && said.code >= 0) idle.push(shell)
    else shell.kill()
    return said
  }
  return {
    run: async (...args) => {
      const [argv, line] = [[...base, ...args], lineOf(args)]
      return isPlain(line) ? { argv, ...(await within(line)) } : run(argv)
    },
    drop: () => {
      era++
      for (const shell of idle.splice(0)) shell.kill()
    },
  }
}
