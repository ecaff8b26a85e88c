import * as E from 'fp-ts/lib/Either.js'

import { layer } from '../content/layer.js'
import type { Layer } from '../content/layer.js'
import { override } from '../content/override.js'
import { defaultClusterBytes } from '../content/pattern.js'
import { activeImage } from '../model/chain-query.js'
import type { MachinePlan } from '../plan/machine-plan.js'
import type { GuestWrite } from '../simulate/index.js'

/** What the guest writes in turn: one cluster of one disk each time. */
export const writesOf = (
  plan: MachinePlan,
  choices: ReadonlyArray<number>,
): ((at: number) => ReadonlyArray<GuestWrite>) => {
  const disks = Array.from(plan.before.disks.values())
  return (at) => {
    const choice = choices[at % choices.length] ?? 0
    const chain = disks[(choice + at) % Math.max(1, disks.length)]
    const clusters = Math.floor((chain === undefined ? 0 : activeImage(chain).sizeBytes) / defaultClusterBytes)
    if (chain === undefined || clusters === 0) return []
    const startBytes = ((choice + 2 * at) % clusters) * defaultClusterBytes
    const source = 'UVWXYZ'.charAt(at % 6)
    return [{ disk: chain.disk, run: { kind: 'data', startBytes, endBytes: startBytes + defaultClusterBytes, source } }]
  }
}

/** A layer with what the guest has written on top. */
export const writtenOver = (on: Layer, { run }: GuestWrite): Layer => {
  const upper = layer(on.sizeBytes, [run])
  return E.isRight(upper) ? override(on, upper.right) : on
}
