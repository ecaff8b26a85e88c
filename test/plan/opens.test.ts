import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { parseChain } from '../../src/index.js'
import type { Call, Chain, GuestState } from '../../src/index.js'
import { judgeCall } from '../../src/plan/open-judge.js'
import type { Access, Opener, Opening } from '../../src/model/opening.js'
import { opensIn } from '../../src/plan/opens.js'

const chainOf = (picture: string): Chain => {
  const parsed = parseChain(picture)
  if (E.isLeft(parsed)) throw new Error(JSON.stringify(parsed.left))
  return parsed.right.chain
}

// As in the lab: `sib` and `over` are overlays that the guest does not read.
const chain = chainOf('base <- (top^ <- over, sib)')

const qemuImg = (line: string): Call => ({ _tag: 'QemuImg', argv: ['qemu-img', ...line.split(' ')] })

const opens = (line: string): ReadonlyArray<string> =>
  opensIn({ before: chain, after: chain })(qemuImg(line), 'shut-off')
    .map(({ image, access }) => `${access} ${image}`)
    .sort()

describe('what each run of qemu-img opens', () => {
  it.each([
    ['info /images/top', ['read top']],
    ['info -U /images/top', ['header top']],
    ['info --backing-chain --output=json /images/top', ['read base', 'read top']],
    ['snapshot -l /images/top', ['read base', 'read top']],
    ['snapshot -l -U /images/top', ['header base', 'header top']],
    ['snapshot -c monday /images/top', ['read base', 'write top']],
    ['snapshot -d monday /images/base', ['write base']],
    ['snapshot -a monday -q /images/top', ['read base', 'write top']],
    ['check /images/over', ['read base', 'read over', 'read top']],
    ['check -r all /images/top', ['read base', 'write top']],
    ['map --output=json /images/sib', ['read base', 'read sib']],
    ['measure -O qcow2 /images/sib', ['read base', 'read sib']],
    ['compare /images/sib /images/top', ['read base', 'read sib', 'read top']],
    ['convert -l monday -O qcow2 /images/top /images/elsewhere', ['read base', 'read top']],
    ['convert -U -O qcow2 /images/top /images/elsewhere', ['header base', 'header top']],
    ['convert -U -l monday -O qcow2 /images/top /images/elsewhere', ['header top', 'read base']],
    ['convert -U -l monday -O qcow2 /images/over /images/elsewhere', ['header over', 'read base', 'read top']],
    ['convert -O qcow2 /images/sib /images/top', ['read base', 'read sib', 'write top']],
    ['create -f qcow2 -b base -F qcow2 /images/sib', ['header base', 'write sib']],
    ['create -u -f qcow2 -b base -F qcow2 /images/sib 1M', ['write sib']],
    ['commit -b /images/base -d /images/top', ['write base', 'write top']],
    ['commit /images/over', ['read base', 'write over', 'write top']],
    ['rebase -u -b /images/base -F qcow2 /images/over', ['write over']],
    ['rebase -b  /images/over', ['read base', 'read top', 'write over']],
    ['resize /images/sib 2M', ['read base', 'write sib']],
    ['amend -o compat=1.1 /images/sib', ['read base', 'write sib']],
    ['bitmap --add /images/sib nightly', ['write sib']],
    ['bitmap --merge nightly -b /images/base -F qcow2 /images/sib weekly', ['read base', 'write sib']],
    ['frobnicate /images/sib', []],
  ])('%s', (line, expected) => {
    expect(opens(line)).toStrictEqual(expected)
  })
})

const judged = (
  line: string,
  { guest = 'shut-off', opened = [] }: { readonly guest?: GuestState; readonly opened?: ReadonlyArray<Opening> },
): ReadonlyArray<string> =>
  judgeCall(qemuImg(line), { chain, guest, opened }).map(
    ({ image, wants, held, instead }) =>
      `${wants} ${image}, ${held.by._tag} has it to ${held.access}: ${String(instead?.qmp)}`,
  )

const held = (image: string, by: Opener, access: Access): Opening => ({ image, by, access })

describe('the three questions: an internal snapshot made or deleted with qemu-img', () => {
  it.each(['-c', '-d'])('while the image is being written: %s', (verb) => {
    const instead = verb === '-c' ? 'blockdev-snapshot-internal-sync' : 'blockdev-snapshot-delete-internal-sync'
    expect(judged(`snapshot ${verb} monday /images/top`, { guest: 'running' })).toStrictEqual([
      `write top, ThisGuest has it to write: ${instead}`,
    ])
  })

  // QEMU's lock does not know whether anything is written: a paused guest, and one that never wrote, are the same.
  it.each(['-c', '-d'])('while it is attached and not written: %s', (verb) => {
    const instead = verb === '-c' ? 'blockdev-snapshot-internal-sync' : 'blockdev-snapshot-delete-internal-sync'
    expect(judged(`snapshot ${verb} monday /images/top`, { guest: 'paused' })).toStrictEqual([
      `write top, ThisGuest has it to write: ${instead}`,
    ])
  })

  it.each(['-c', '-d'])('while another process merely has it open: %s', (verb) => {
    const reader: Opener = { _tag: 'Tool', name: 'qemu-nbd' }
    expect(judged(`snapshot ${verb} monday /images/top`, { opened: [held('top', reader, 'read')] })).toStrictEqual([
      'write top, Tool has it to read: undefined',
    ])
    expect(
      judged(`snapshot ${verb} monday /images/top`, { opened: [held('top', { _tag: 'Unknown' }, 'read')] }),
    ).toHaveLength(1)
  })

  it('is nobody’s business while nobody has it open', () => {
    expect(judged('snapshot -c monday /images/top', {})).toStrictEqual([])
  })
})

describe('who is in whose way', () => {
  it('a backing file of a running guest can be read, and not written', () => {
    expect(judged('convert -O raw /images/base /images/elsewhere', { guest: 'running' })).toStrictEqual([])
    expect(judged('rebase -u -b  /images/base', { guest: 'running' })).toStrictEqual([
      'write base, ThisGuest has it to read: block-stream',
    ])
  })

  it('an overlay of what the guest writes cannot be read; one of a backing file can be written', () => {
    expect(judged('map /images/over', { guest: 'running' })).toStrictEqual([
      'read top, ThisGuest has it to write: query-named-block-nodes',
    ])
    expect(judged('resize /images/sib 2M', { guest: 'running' })).toStrictEqual([])
    expect(judged('commit /images/sib', { guest: 'running' })).toStrictEqual([
      'write base, ThisGuest has it to read: block-commit',
    ])
  })

  it('only a header is looked at where an overlay is made, or with -U', () => {
    expect(judged('create -f qcow2 -b /images/top -F qcow2 /images/over', { guest: 'running' })).toStrictEqual([])
    expect(judged('info -U /images/top', { guest: 'running' })).toStrictEqual([])
  })

  it('what is inside an image can be read past the guest that writes it; what lies below has to stay', () => {
    const line = 'convert -U -l monday -O raw'
    expect(judged(`${line} /images/top /images/elsewhere`, { guest: 'running' })).toStrictEqual([])
    expect(judged('convert -l monday -O raw /images/top /images/elsewhere', { guest: 'running' })).toStrictEqual([
      'read top, ThisGuest has it to write: undefined',
    ])
    expect(judged(`${line} /images/over /images/elsewhere`, { guest: 'paused' })).toStrictEqual([
      'read top, ThisGuest has it to write: undefined',
    ])
    const job = held('base', { _tag: 'OtherGuest', name: 'vm2' }, 'write')
    expect(judged(`${line} /images/top /images/elsewhere`, { opened: [job] })).toStrictEqual([
      'read base, OtherGuest has it to write: undefined',
    ])
  })

  it('another run of the same program is another one', () => {
    const again: Opening = held('top', { _tag: 'Tool', name: 'qemu-img' }, 'read')
    expect(judged('snapshot -c monday /images/top', { opened: [again] })).toStrictEqual([
      'write top, Tool has it to read: undefined',
    ])
  })
})
