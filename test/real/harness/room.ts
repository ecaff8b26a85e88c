// What qemu-img says of the room that a commit needs.

import { roomQuestions } from 'backing-chain'
import type { Chain, RoomFacts } from 'backing-chain'
import { decodeCheck, decodeMeasure } from 'backing-chain/codec'
import { binary, type QemuVersion } from '../lab/binaries.js'
import { runOk } from '../lab/exec.js'
import { parseJson } from '../lab/json.js'
import { right } from './tree.js'

export interface Asking {
  readonly version: QemuVersion
  /** Ask of images that another process writes to (-U). */
  readonly share?: 'force'
}

/** Asks all that has to be asked; nothing, and no facts, where nothing has to be. */
export const factsOf = async (
  chain: Chain,
  commit: { readonly top: string; readonly base: string },
  { version, share }: Asking,
): Promise<RoomFacts | undefined> => {
  const replies: Array<unknown> = []
  for (const call of right(roomQuestions(chain, commit))) {
    if (call._tag !== 'QemuImg') throw new Error('only qemu-img is asked')
    const [, command = '', ...args] = call.argv
    const shared = share === 'force' ? ['-U'] : []
    replies.push(parseJson(await runOk([binary(version, 'qemu-img'), command, ...shared, ...args])))
  }
  if (replies.length === 0) return undefined
  return {
    top: right(decodeMeasure(replies[0])),
    base: right(decodeMeasure(replies[1])),
    checkedBase: right(decodeCheck(replies[2])),
    above: replies.slice(3).map((reply) => right(decodeCheck(reply))),
  }
}
