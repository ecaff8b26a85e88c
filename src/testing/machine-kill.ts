import { emptyLayer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { equalViews } from '../content/view.js'
import { patternOfLayer } from '../content/pattern.js'
import type { PointMap } from '../model/point-map.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import { guestView, killMachine } from '../simulate/index.js'
import type { MachineMoment, MachineWorld, World } from '../simulate/index.js'
import type { MachineContents } from './machine.js'
import { guestReads } from './machine-contents.js'
import { asStarted, mapAfter, trialOf, wrongIn } from './machine-simulated.js'
import type { MachineMeanwhile, Trial } from './machine-simulated.js'
import { writtenOver } from './machine-write.js'
import { viewAgain } from './simulated.js'

/** What the guest reads from a disk when it is started again: from what is written down, or from the image that it used. */
const readAgain = (
  trial: Trial,
  used: World,
  { dead, step }: { readonly dead: World; readonly step: number },
): Layer | undefined => (used.qemu === undefined ? guestView(asStarted(trial, dead, step)) : viewAgain(dead, used))

/** The snapshots that stay, each of which has to be somewhere. */
const keptIn = (map: PointMap, { before, after }: MachinePlan): PointMap =>
  new Map(Array.from(map).filter(([name]) => before.snapshots.has(name) && after.snapshots.has(name)))

/** Every snapshot that stays is where the map before the step says, or where the one after it does. */
const assertPoints = (trial: Trial, dead: MachineWorld, { step, what }: MachineMoment): void => {
  const maps = [mapAfter(trial, step), mapAfter(trial, step + 1)]
  const wrong = maps.map((map) => wrongIn(trial, dead, keptIn(map, trial.plan)))
  const both = (wrong[0] ?? []).filter((line) => {
    const [name, , disk] = line.split(' ')
    return (wrong[1] ?? []).some((other) => other.startsWith(`${name ?? ''} on ${disk ?? ''} `))
  })
  if (both.length > 0) trial.fail(`killed after ${what} of step ${String(step)}: ${both.join('\n')}`)
}

const isExcused = ({ assumes, before }: MachinePlan): boolean =>
  assumes.some((one) => one._tag === 'OfDisk' && one.assumption._tag === 'NoKillBeforeFlush') ||
  (before.definitions !== undefined && before.definitions.persistent === undefined)

/**
 * Throws unless the guest, killed with its QEMU at any moment of a plan and started again from what is written down, reads what it
 * read, and every snapshot that stays has its bytes.
 *
 * Excused are a plan that assumes `NoKillBeforeFlush`, and a transient domain, of which nothing is left.
 *
 * @since 0.2.0
 */
export const assertMachineSurvivesKill = (
  plan: MachinePlan,
  contents: MachineContents,
  meanwhile: MachineMeanwhile = {},
): void => {
  if (isExcused(plan)) return
  const trial = trialOf(plan, contents, meanwhile)
  const now = new Map(
    Array.from(plan.before.disks.keys(), (disk) => [
      disk,
      guestReads({ machine: plan.before, contents }, disk) ?? emptyLayer(0),
    ]),
  )
  for (const moment of trial.trace.moments) {
    const { written, machine, step, what } = moment
    if (written !== undefined) now.set(written.disk, writtenOver(now.get(written.disk) ?? emptyLayer(0), written))
    const dead = killMachine(machine)
    for (const [disk, shall] of now) {
      const [used, left] = [machine.worlds.get(disk), dead.worlds.get(disk)]
      const seen = used === undefined || left === undefined ? undefined : readAgain(trial, used, { dead: left, step })
      if (seen === undefined || !equalViews(seen, shall))
        trial.fail(
          `killed after ${what} of step ${String(step)}, the guest on ${disk} reads ${seen === undefined ? 'nothing' : patternOfLayer(seen)} and not ${patternOfLayer(shall)}`,
        )
    }
    assertPoints(trial, dead, moment)
  }
}
