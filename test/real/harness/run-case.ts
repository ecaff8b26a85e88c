// One named case on one stage.

import { chown } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { printChain } from 'backing-chain'
import { cellBytes, createImage } from '../lab/images.js'
import type { NamedCase } from '../cases.js'
import { runPlan, type Stage } from './stage.js'
import { right } from './tree.js'

const make = async ({ tree }: Stage, one: NamedCase): Promise<void> => {
  if (one.made === undefined) return
  const { name, format, header, cells } = one.made
  const path = join(tree.folder, name)
  const backing = header === undefined ? {} : { backing: { header, format: 'qcow2' } }
  await createImage({ path, format, sizeBytes: cells.length * cellBytes, cells, ...backing })
  if (process.getuid?.() === 0) await chown(path, 65534, 65534)
}

/** Plans, checks the picture, executes, compares, and clears the stage. */
export const runCase = async (one: NamedCase, open: Promise<Stage>): Promise<void> => {
  const stage = await open
  try {
    await make(stage, one)
    const at = (name: string): string => join(stage.tree.folder, name)
    const plan = right(one.plan(stage.chain, stage.hypervisor, { at }))
    expect(printChain(plan.after)).toBe(one.after)
    await runPlan(stage, plan)
  } finally {
    await stage.clear()
  }
}
