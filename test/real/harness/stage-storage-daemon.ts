// A tree whose guest is shut off, and qemu-storage-daemon.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { capabilitiesOfVersions } from 'backing-chain'
import type { QemuVersion } from '../lab/binaries.js'
import type { Libvirt } from '../lab/libvirtd.js'
import { storageDaemonHost, type DaemonHost } from './execute-storage-daemon.js'
import type { Stage } from './stage.js'
import { fullVersion } from './stage-qmp.js'
import { buildTree, chainOf, type TreeOptions } from './tree.js'

const nothing = (): Promise<void> => Promise.resolve()

/** A stage whose daemons can be killed. */
export interface DaemonStage extends Stage {
  readonly host: DaemonHost
}

/** Builds the tree. */
export const storageDaemonStage = async (
  notation: string,
  options: TreeOptions & { readonly version: QemuVersion },
): Promise<DaemonStage> => {
  const folder = await mkdtemp(join(tmpdir(), 'bc-d-'))
  const tree = await buildTree(folder, notation, options)
  const { version } = options
  const host = storageDaemonHost(version)
  return {
    tree,
    chain: chainOf(tree),
    version,
    hypervisor: {
      via: 'storage-daemon',
      guest: 'shut-off',
      capabilities: capabilitiesOfVersions({ qemu: fullVersion[version] }),
      socket: join(folder, 'qmp, with a comma'),
    },
    host,
    guest: undefined,
    checkLive: nothing,
    close: () => {
      expect(host.stderr()).toBe('')
      return Promise.resolve()
    },
    checkNextStart: nothing,
    clear: async () => {
      await host.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A stage of a shut-off domain, with the work done in a storage daemon. */
export const inDaemon = (stage: Stage, libvirt: Libvirt): Stage => {
  const { hypervisor, tree, version } = stage
  if (hypervisor.via !== 'qemu-img') throw new Error('a domain that is shut off')
  const host = storageDaemonHost(version, libvirt)
  return {
    ...stage,
    hypervisor: { ...hypervisor, via: 'storage-daemon', socket: join(tree.folder, 'qmp') },
    host,
    clear: async () => {
      await host.kill()
      await stage.clear()
    },
  }
}
