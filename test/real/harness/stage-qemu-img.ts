// A tree whose guest is shut off, and qemu-img.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capabilitiesOfVersions } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import { qemuImgHost } from './execute-qemu-img.js'
import type { Stage } from './stage.js'
import { fullVersion } from './stage-qmp.js'
import { buildTree, chainOf, type TreeOptions } from './tree.js'

const nothing = (): Promise<void> => Promise.resolve()

/** Builds the tree. */
export const qemuImgStage = async (
  notation: string,
  options: TreeOptions & { readonly version: QemuVersion },
): Promise<Stage> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-i-'))
  const tree = await buildTree(folder, notation, options)
  const { version } = options
  return {
    tree,
    chain: chainOf(tree),
    version,
    hypervisor: {
      via: 'qemu-img',
      guest: 'shut-off',
      capabilities: capabilitiesOfVersions({ qemu: fullVersion[version] }),
    },
    host: qemuImgHost(version),
    guest: undefined,
    checkLive: nothing,
    close: nothing,
    checkNextStart: nothing,
    clear: () => rm(folder, { recursive: true, force: true }),
  }
}
