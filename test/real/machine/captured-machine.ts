// Machines of captured XML, whose images are those that the XML names.

import { chain } from 'backing-chain'
import type { Chain, ImageDescription, Machine } from 'backing-chain'
import { machineFromLibvirt } from '../../../src/codec/domain-machine.js'
import { captured, capturedIn } from '../../codec/captured.js'
import { right } from '../harness/tree.js'
import { elementOfText } from '../harness/xml.js'
import { disksOfDomain, domainsOf } from './facts.js'

/** Scenes in which everything is said about the images by some XML. */
export const capturedMachines = [
  'three',
  'three-without-middle',
  'branches',
  'reverted',
  'subset',
  'external-with-memory',
  'internal-system',
  'manual',
  'memory-only',
] as const

const isFormat = (format: string): format is 'raw' | 'qcow2' => format === 'raw' || format === 'qcow2'

/** Everything that any of the definitions says of one disk. */
const chainOf = (target: string, said: ReadonlyArray<ReturnType<typeof disksOfDomain>>): Chain => {
  const images = new Map<string, ImageDescription>()
  for (const disks of said) {
    const found = disks.get(target)?.images ?? []
    for (const [index, { path, format }] of found.entries()) {
      const below = found[index - 1]
      if (!isFormat(format) || (images.get(path)?.backing !== undefined && below === undefined)) continue
      images.set(path, {
        ...{ name: path, format, sizeBytes: 1048576, location: { _tag: 'File', path }, otherReaders: [] },
        ...(below === undefined
          ? {}
          : {
              backing: { image: below.path, header: below.path, format: isFormat(below.format) ? below.format : 'raw' },
            }),
      })
    }
  }
  return right(chain(target, Array.from(images.values()), said[0]?.get(target)?.images.at(-1)?.path ?? ''))
}

/** The machine of a scene. */
export const capturedMachine = (scene: (typeof capturedMachines)[number]): Machine => {
  const folder = `10.0/snapshots/${scene}`
  const snapshots = capturedIn(folder, '.xml')
    .filter((file) => file.startsWith('snapshot-'))
    .map((file) => captured(`${folder}/${file}`))
  const [domain, inactive] = ['domain.xml', 'domain.inactive.xml'].map((file) => captured(`${folder}/${file}`))
  const current = captured(`${folder}/current.txt`).trim()
  const off = domain?.includes("<domain type='qemu' id=") !== true
  const domains = [domain ?? '', ...snapshots].flatMap((text) => domainsOf(elementOfText(text)))
  const said = domains.map(disksOfDomain)
  const made = machineFromLibvirt({
    domain: off ? undefined : domain,
    inactive,
    state: off ? 'shut-off' : 'running',
    snapshots,
    current: current.startsWith('error') ? undefined : current,
    chains: Array.from(said[0]?.keys() ?? [], (target) => chainOf(target, said)),
  })
  return right(made).machine
}
