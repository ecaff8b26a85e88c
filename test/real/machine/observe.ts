// Everything that libvirt, the headers and the folder say of a machine, at one moment.

import * as E from 'fp-ts/lib/Either.js'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { GuestState, XmlElement } from 'backing-chain'
import { decodeImageInfo } from 'backing-chain/codec'
import type { ImageInfo } from 'backing-chain/codec'
import { elementOfText } from '../harness/xml.js'
import { readInfo } from '../lab/images.js'
import { settle, type MachineStage } from './stage.js'

export interface Observed {
  readonly state: GuestState
  readonly live: XmlElement | undefined
  readonly persistent: XmlElement | undefined
  /** What `snapshot-dumpxml --security-info` prints, by snapshot, parents first. */
  readonly records: ReadonlyMap<string, XmlElement>
  readonly current: string | undefined
  /** Whether libvirt keeps memory for the next start. */
  readonly managedSave: boolean
  /** What `snapshot-list --tree` prints, to the last space. */
  readonly tree: string
  /** The texts that the above was read from. */
  readonly texts: {
    readonly live: string | undefined
    readonly persistent: string | undefined
    readonly records: ReadonlyArray<string>
  }
  /** Every file of the machine's folder, by path; nothing, where it is no image. */
  readonly files: ReadonlyMap<string, ImageInfo | undefined>
}

const mark = '@@@'

/** Makes several runs of virsh in one; gives back what each printed, to the last space. */
const askAll = async ({ libvirt }: MachineStage, lines: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const { stdout, stderr } = await libvirt.virsh(lines.join(`; echo ${mark}; `))
  const parts = stdout.split(mark)
  if (parts.length !== lines.length) throw new Error(`virsh: ${stderr}`)
  return parts
}

const states: { readonly [said: string]: GuestState } = {
  running: 'running',
  paused: 'paused',
  'shut off': 'shut-off',
}

const stateOf = (said: string): GuestState => {
  const state = states[said]
  if (state === undefined) throw new Error(`the domain is ${said}`)
  return state
}

const elementIn = (text: string | undefined): XmlElement | undefined =>
  text === undefined || text === '' ? undefined : elementOfText(text)

const recordsOf = async (stage: MachineStage, names: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  names.length === 0
    ? []
    : askAll(
        stage,
        names.map((name) => `snapshot-dumpxml ${stage.domain} '${name}' --security-info`),
      )

interface Known {
  readonly stamp: string
  readonly info: ImageInfo
}

/** Of files that nobody has touched since. */
const known = new Map<string, Known>()

const infoOf = async (path: string): Promise<ImageInfo | undefined> => {
  const found = await stat(path, { bigint: true })
  if (path.endsWith('.memory') || !found.isFile()) return undefined
  const stamp = [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ')
  const before = known.get(path)
  if (before?.stamp === stamp) return before.info
  const decoded = decodeImageInfo(await readInfo(path, { share: 'force' }))
  if (E.isLeft(decoded)) throw new Error(`${path}: ${JSON.stringify(decoded.left)}`)
  known.set(path, { stamp, info: decoded.right })
  return decoded.right
}

const filesOf = async ({ folder }: MachineStage): Promise<Observed['files']> => {
  const names = (await readdir(folder)).sort()
  const infos = await Promise.all(names.map((name) => infoOf(join(folder, name))))
  return new Map(names.map((name, index) => [join(folder, name), infos[index]]))
}

/** Looks at everything; a running guest's disks are flushed before. */
export const observe = async (stage: MachineStage): Promise<Observed> => {
  const { domain } = stage
  const words = [
    'domstate',
    'dumpxml --inactive',
    'snapshot-list --name --topological',
    'snapshot-list --tree',
    'dumpxml',
    'dominfo',
  ]
  const lines = words.map((word) => word.replace(/^\S+/, (command) => `${command} ${domain}`))
  const said = await askAll(stage, [...lines, `snapshot-current ${domain} --name`])
  const tree = said[3] ?? ''
  const [word = '', inactive, all = '', , active, info = '', current] = said.map((part) => part.trim())
  // Of a transient domain libvirt prints the live definition in the form of a persistent one.
  const persistent = /^Persistent: +yes$/m.test(info) ? inactive : undefined
  const state = stateOf(word)
  if (state === 'running') await settle(stage)
  const live = state === 'shut-off' ? undefined : active
  const names = all.split('\n').filter((name) => name !== '')
  const records = await recordsOf(stage, names)
  return {
    state,
    live: elementIn(live),
    persistent: elementIn(persistent),
    records: new Map(names.map((name, index) => [name, elementOfText(records[index] ?? '')])),
    texts: { live, persistent, records },
    current: current === '' ? undefined : current,
    managedSave: /^Managed save: +yes$/m.test(info),
    tree,
    files: await filesOf(stage),
  }
}
