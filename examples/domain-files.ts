// Reads a domain from a folder of what libvirt and qemu-img said of it. These commands fill such a folder:
//
//     virsh dumpxml DOMAIN > domain.xml                    # not where the guest is shut off
//     virsh dumpxml DOMAIN --inactive > inactive.xml
//     virsh snapshot-current DOMAIN --name > current.txt
//     virsh snapshot-dumpxml DOMAIN NAME > snapshot-NAME.xml                     # of every snapshot
//     qemu-img info -U --backing-chain --output=json PATH > chain-vda-0.json     # of every disk; its active image
//     qemu-img info -U --backing-chain --output=json PATH > chain-vda-1.json     # and so on; its other branches
//     virsh managedsave-dumpxml DOMAIN --security-info > managedsave.xml         # where its memory is saved

import { readdir, readFile } from 'node:fs/promises'
import { posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeBranches, decodeSavedState, machineFromLibvirt } from 'backing-chain/codec'
import type { DecodedMachine } from 'backing-chain/codec'
import { valueOf } from './arguments.js'

/** The folder of a domain that comes with the examples. */
export const captured = (name: 'three' | 'shortened' | 'branches' | 'saved'): string =>
  fileURLToPath(new URL(`captured/${name}`, import.meta.url))

/** Images are named by the last part of their paths: `disk.monday`. */
const nameOf = (filename: string): string => posix.basename(filename)

/** The machine in a folder, and where libvirt's records and the images disagree about it. */
export const readDomain = async (folder: string): Promise<DecodedMachine> => {
  const files = (await readdir(folder)).sort()
  const text = async (file: string): Promise<string | undefined> =>
    files.includes(file) ? readFile(resolve(folder, file), 'utf8') : undefined
  const texts = async (named: RegExp): Promise<ReadonlyArray<string>> =>
    Promise.all(files.filter((file) => named.test(file)).map((file) => readFile(resolve(folder, file), 'utf8')))
  const targets = new Set(files.flatMap((file) => /^chain-(\w+)-\d+\.json$/.exec(file)?.[1] ?? []))
  const chains = await Promise.all(
    Array.from(targets, async (disk) =>
      // Nobody else reads these images; whoever knows of another reader says so here.
      valueOf(decodeBranches(await texts(new RegExp(`^chain-${disk}-`)), { disk, nameOf, otherReaders: () => [] })),
    ),
  )
  const [domain, inactive, current] = [await text('domain.xml'), await text('inactive.xml'), await text('current.txt')]
  const memory = await text('managedsave.xml')
  return valueOf(
    machineFromLibvirt({
      domain,
      inactive,
      state: domain === undefined ? 'shut-off' : 'running',
      snapshots: await texts(/^snapshot-.*\.xml$/),
      current: current?.trim(),
      chains,
      saved: memory === undefined ? [] : [valueOf(decodeSavedState(memory, { place: { kind: 'managed' } }))],
    }),
  )
}
