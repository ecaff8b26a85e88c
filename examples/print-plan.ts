// What the examples print of machines and of their plans.

import { printChain, shellLine, virshCommand } from 'backing-chain'
import type { Machine, MachinePlan, MachineStep, Mark, PointMap, Wait } from 'backing-chain'

const waitText = (wait: Wait): string => {
  if (wait._tag === 'ChainIs') return `it shows ${wait.images.map(({ image }) => image).join(' <- ')}`
  if (wait._tag === 'Daemon') return `the daemon of ${wait.socket} ${wait.status === 'gone' ? 'has ended' : 'answers'}`
  if (wait._tag === 'LibvirtJobs') return `the jobs on ${wait.disks.join(', ')} are ${wait.status}`
  return wait._tag === 'QmpJob' ? `job ${wait.job} is ${wait.status}` : `the job on ${wait.disk} is ${wait.status}`
}

/** The line of a call; `short` leaves out what is inside of XML on its standard input. */
const lineOf = ({ call }: MachineStep, xml: 'whole' | 'short'): string => {
  if (xml === 'whole' || call._tag !== 'Libvirt') return shellLine(call)
  const { argv, stdin } = virshCommand(call.function)
  const root = /^<(\w+)/.exec(stdin ?? '')?.[1]
  return root === undefined ? shellLine(call) : `printf %s '<${root}>...</${root}>' | ${argv.join(' ')}`
}

/** Prints the calls of a plan: why each is made, the line for a shell, and what has to be so before the next. */
export const printCalls = ({ steps }: MachinePlan, xml: 'whole' | 'short' = 'whole'): void => {
  for (const step of steps) {
    console.log(`# ${step.why}\n${lineOf(step, xml)}`)
    if (step.until !== undefined) console.log(`# go on when ${waitText(step.until)}`)
  }
}

/** The chain of each disk, with the wiki's marks of a plan: `*` contents modified, `+` backing string modified. */
export const printChains = (of: Machine, plan?: MachinePlan): void => {
  for (const [disk, chain] of of.disks) {
    const fates = plan?.parts.filter(({ before }) => before.disk === disk).flatMap((part) => [...part.fates]) ?? []
    const having = (fate: string, mark: Mark): ReadonlyMap<string, Mark> =>
      new Map(fates.flatMap(([image, all]) => (all.some((one) => one === fate) ? [[image, mark] as const] : [])))
    const [written, repointed] = [having('written', '*'), having('repointed', '+')]
    const marks = new Map(
      Array.from(chain.images.keys(), (image) => [
        String(image),
        [written.get(image), repointed.get(image)].filter((mark) => mark !== undefined),
      ]),
    )
    console.log(`${disk}  ${printChain(chain, { marks })}`)
  }
}

/** Which file holds which point in time, a line a snapshot, a column a disk; `*` where it was another one before. */
export const printPoints = (map: PointMap, before: PointMap = map): void => {
  const disks = Array.from(new Set([...map.values()].flatMap((places) => [...places.keys()])))
  console.log(`${''.padEnd(12)}${disks.map((disk) => disk.padEnd(16)).join('')}`.trimEnd())
  for (const [snapshot, places] of map) {
    const cells = disks.map((disk) => {
      const [is, was] = [places.get(disk)?.image, before.get(snapshot)?.get(disk)?.image]
      return `${is ?? '-'}${is === was ? '' : ' *'}`.padEnd(16)
    })
    console.log(`${snapshot.padEnd(12)}${cells.join('')}`.trimEnd())
  }
}
