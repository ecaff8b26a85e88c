import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'

import { knownImage } from '../../src/model/chain-query.js'
import type { Chain } from '../../src/model/chain.js'
import { parseChain } from '../../src/model/notation.js'
import type { Assumption } from '../../src/plan/assumption.js'
import type { Plan } from '../../src/plan/plan.js'
import { assumptionText } from '../../src/render/assumption.js'
import { explain } from '../../src/render/explanation.js'
import { marksOfPlan, notation } from '../../src/render/notation.js'

const parsed = (text: string): Chain => {
  const made = parseChain(text)
  return E.isRight(made) ? made.right.chain : expect.fail(JSON.stringify(made.left))
}

const chains = { before: parsed('base <- a <- b <- top^'), after: parsed('base <- b <- top^') }
const [base, a] = [knownImage(chains.before, 'base'), knownImage(chains.before, 'a')]

const plan: Plan = {
  operation: 'commit',
  via: 'qmp',
  ...chains,
  steps: [],
  contents: [{ image: base.name, span: [base.name, a.name], sizeBytes: base.sizeBytes }],
  fates: new Map([
    ['base', ['written']],
    ['a', ['redundant', 'removed']],
    ['b', ['repointed']],
    ['top', ['kept']],
  ]),
  points: [{ point: 'monday', before: a.name, after: base.name, format: 'qcow2', sizeBytes: a.sizeBytes }],
  requires: [],
  assumes: [{ _tag: 'NoOtherReaders', images: ['base', 'a'] }],
}

describe('notation', () => {
  it("is the wiki's picture before and after", () => {
    expect(notation(plan)).toEqual({ before: 'base <- a <- b <- top^', after: 'base* <- b+ <- top^' })
  })

  it('marks a new image that is filled, not one that is empty, and nothing that has left', () => {
    const after = parsed('old <- snap^; new')
    const [snap, filled] = [knownImage(after, 'snap').name, knownImage(after, 'new').name]
    const marks = marksOfPlan({
      ...plan,
      after,
      contents: [
        { image: snap, span: [], sizeBytes: 0 },
        { image: filled, span: [snap], sizeBytes: 0 },
      ],
      fates: new Map([
        ['snap', ['created']],
        ['new', ['created']],
        ['gone', ['written']],
      ]),
    })
    expect(marks).toEqual(new Map([['new', ['*']]]))
  })
})

describe('explain', () => {
  it('says what the guest sees, each fate, each point in time and each assumption', () => {
    expect(explain(plan)).toBe(
      [
        'A commit on disk vda through a QEMU monitor: base <- a <- b <- top^ becomes base* <- b+ <- top^',
        'The guest sees the same bytes throughout, and goes on writing top.',
        'Images:',
        '- base has its contents modified',
        '- a is read by nobody any more, and is removed',
        '- b gets another backing string',
        '- top stays as it is',
        'Points in time:',
        '- monday was in a, and is then in base',
        'Assumed:',
        '- nobody else reads base and a',
      ].join('\n'),
    )
  })

  it('warns of files that stay and no longer show what they showed, or soon will not', () => {
    const fates = new Map([
      ['a', ['redundant']],
      ['b', ['invalid']],
    ] as const)
    expect(explain({ ...plan, fates })).toContain(
      '- a is read by nobody any more, and shows its point in time until somebody writes below it\n' +
        '- b no longer shows what it showed, and must not be used',
    )
  })

  it('says where the guest goes on, and leaves out what there is nothing of', () => {
    const text = explain({ ...plan, operation: 'copy', after: parsed('"new one"^'), points: [], assumes: [] })
    expect(text).toContain('it then writes "new one" instead of top.')
    expect(text).not.toMatch(/Points|Assumed/)
  })
})

describe('a plan that has to be cleaned up after', () => {
  it('says what has to be done on every way out', () => {
    const call = { _tag: 'Qmp', command: { execute: 'quit' }, socket: '/s' } as const
    const step = { call, why: 'locks', failure: 'it has ended already' }
    expect(explain({ ...plan, via: 'storage-daemon', finally: [{ from: 0, step }] })).toMatch(
      /through a qemu-storage-daemon: .*\nOn every way out:\n- once step 0 \(counted from 0\) was tried: \{"execute":"quit"\}; if that fails, it has ended already$/su,
    )
    expect(explain(plan)).not.toContain('On every way out')
  })
})

describe('assumptionText', () => {
  const all: { readonly [T in Assumption['_tag']]: Extract<Assumption, { readonly _tag: T }> } = {
    NoOtherReaders: { _tag: 'NoOtherReaders', images: ['img1'] },
    Writable: { _tag: 'Writable', images: ['img1', 'img2'] },
    NothingAt: { _tag: 'NothingAt', path: '/path' },
    MadeBefore: { _tag: 'MadeBefore', image: 'img1', path: '/path' },
    HoldsNothing: { _tag: 'HoldsNothing', image: 'img1', path: '/path' },
    NoManagedSave: { _tag: 'NoManagedSave', domain: 'dom1' },
    SnapshotsGo: { _tag: 'SnapshotsGo', image: 'img1', snapshots: ['inner1'] },
    SameContents: { _tag: 'SameContents', left: 'img1', right: 'img2' },
    Closed: { _tag: 'Closed', images: ['img1'] },
    StartsWith: { _tag: 'StartsWith', image: 'img1', path: '/path', from: 3 },
    DeviceHolds: { _tag: 'DeviceHolds', image: 'img1', sizeBytes: 100 },
    RoomFor: { _tag: 'RoomFor', image: 'img1', sizeBytes: 100 },
    HeadersLead: { _tag: 'HeadersLead', images: ['img1'] },
    NoKillBeforeFlush: { _tag: 'NoKillBeforeFlush', image: 'img1', oldHeader: '/old' },
    BitmapsStop: { _tag: 'BitmapsStop', image: 'img1', bitmaps: ['bit1'] },
    StaysInside: { _tag: 'StaysInside', image: 'img1', snapshot: 'inner1' },
  }
  it.each(Object.values(all).map((assumption) => [assumption._tag, assumption] as const))(
    '%s: says every fact',
    (tag, of) => {
      const facts = Object.values(of)
        .flat()
        .filter((fact) => fact !== tag)
      for (const fact of facts) expect(assumptionText(of)).toContain(String(fact))
    },
  )
})
