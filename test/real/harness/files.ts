// File steps and qemu-img steps: the same on every host.

import { link, rename, unlink } from 'node:fs/promises'
import { normalize } from 'node:path'
import type { Call, ReportedImage, Wait } from 'backing-chain'
import { binary, type QemuVersion } from '../lab/binaries.js'
import { runOk } from '../lab/exec.js'
import { fields, list, parseJson, text } from '../lab/json.js'
import type { Settled } from './steps.js'

/** Does to a file what a step says. */
export const fileCall = async (call: Call & { readonly _tag: 'Files' }): Promise<void> => {
  if (call.operation === 'remove') await unlink(call.path)
  else if (call.operation === 'rename') await rename(call.path, call.to)
  else await link(call.path, call.to)
}

/** Runs qemu-img as a step says, from the root folder, so that nothing relative is found by accident. */
export const qemuImgCall = (
  call: Call & { readonly _tag: 'QemuImg' },
  version: QemuVersion,
  as: ReadonlyArray<string> = [],
): Promise<string> => runOk([...as, binary(version, 'qemu-img'), ...call.argv.slice(1)], { cwd: '/' })

/** One image as a program reports it, base first in lists. */
export interface Seen {
  readonly format: string
  readonly path: string
}

/** Says whether the images seen are those that a plan waits for. */
export const judgeChain = (wait: Wait & { readonly _tag: 'ChainIs' }, seen: ReadonlyArray<Seen>): Settled => {
  const asWords = ({ format, path }: Seen): string => `${format} ${normalize(path)}`
  const wanted = wait.images.map(({ format, location }: ReportedImage) => asWords({ format, path: location }))
  const found = seen.map(asWords)
  const same = wanted.length === found.length && wanted.every((one, index) => one === found[index])
  return { state: same ? 'reached' : 'failed', seen: JSON.stringify(found) }
}

/** What `qemu-img info --backing-chain --output=json` printed, base first. */
export const chainOfInfo = (printed: string): ReadonlyArray<Seen> =>
  list(parseJson(printed))
    .map((one) => ({ format: text(fields(one)['format']), path: text(fields(one)['filename']) }))
    .reverse()
