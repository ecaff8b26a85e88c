// Runs an example as its reader would: `npx tsx examples/<name>`, from the root of the repository.

import { run, type Ran } from '../real/lab/exec.js'

export const runExample = (name: string, args: ReadonlyArray<string> = [], input = ''): Promise<Ran> =>
  run([process.execPath, '--import', 'tsx', `examples/${name}`, ...args], { input })
