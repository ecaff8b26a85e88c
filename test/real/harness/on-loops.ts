// Tests on loop devices, where the machine has any.

import { describe, expect, it } from 'vitest'
import { loopProblem } from '../lab/loop.js'

const problem = await loopProblem()
if (problem !== undefined) console.warn(`no loop device with btrfs here, so nothing is tried: ${problem}`)

/** Such a machine has nothing to try it on, which is no fault of QEMU's; it is said in the name of the test, and aloud. */
export const onLoops = (name: string, tests: () => void): void => {
  if (problem === undefined) describe(name, tests)
  else it(`${name}: NOT TRIED, this machine has no loop device with btrfs`, () => expect(problem).not.toBe(''))
}
