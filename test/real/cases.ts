// The named cases: each a tree, a request and the chain that comes of it. The test files run them on every host.

import type * as E from 'fp-ts/lib/Either.js'
import { addOverlay, commit, copy, pull, rename, shallowCommit } from 'backing-chain'
import type { AddOverlayRequest, Chain, CommitRequest, CopyRequest, Hypervisor } from 'backing-chain'
import type { NewImage, Plan, PullRequest, Refusal, RenameRequest, ShallowCommitRequest } from 'backing-chain'
import type { LibvirtStageOptions } from './harness/stage-libvirt.js'
import type { QmpStageOptions } from './harness/stage-qmp.js'
import type { TreeOptions } from './harness/tree.js'

export type Via = Hypervisor['via']

/** What a request can refer to: where new images go. */
export interface Place {
  readonly at: (name: string) => string
}

type Planned = (chain: Chain, hypervisor: Hypervisor, place: Place) => E.Either<Refusal, Plan>

/** An image that somebody made before: by `qemu-img create` with these words. */
export interface Made {
  readonly name: string
  readonly format: 'qcow2' | 'raw'
  readonly header?: string
  readonly cells: string
}

export interface NamedCase {
  readonly name: string
  readonly tree: string
  /** The chain that comes of it, as `printChain` writes it. */
  readonly after: string
  readonly plan: Planned
  /** Only on these; on all where left out. */
  readonly via?: ReadonlyArray<Via>
  readonly options?: TreeOptions
  readonly qmp?: Omit<QmpStageOptions, 'version'>
  readonly libvirt?: LibvirtStageOptions
  readonly made?: Made
}

const committing =
  (request: CommitRequest): Planned =>
  (chain, hypervisor) =>
    commit(chain, request, hypervisor)

const committingShallow =
  (request: ShallowCommitRequest): Planned =>
  (chain, hypervisor) =>
    shallowCommit(chain, request, hypervisor)

const pulling =
  (request: PullRequest): Planned =>
  (chain, hypervisor) =>
    pull(chain, request, hypervisor)

type Wanted = Omit<NewImage, 'name' | 'location' | 'format'> & {
  readonly name?: string
  readonly file?: string
  readonly format?: NewImage['format']
}

const newImage = ({ name = 'new', file = name, format = 'qcow2', ...rest }: Wanted, place: Place): NewImage => ({
  name,
  format,
  location: { _tag: 'File', path: place.at(file) },
  ...rest,
})

const overlaying =
  (wanted: Wanted = {}, request: Omit<AddOverlayRequest, 'overlay'> = {}): Planned =>
  (chain, hypervisor, place) =>
    addOverlay(chain, { ...request, overlay: newImage(wanted, place) }, hypervisor)

const copying =
  (request: Omit<CopyRequest, 'to'>, wanted: Wanted = {}): Planned =>
  (chain, hypervisor, place) =>
    copy(chain, { ...request, to: newImage(wanted, place) }, hypervisor)

const renaming =
  (request: Omit<RenameRequest, 'to'> & { readonly to: string }): Planned =>
  (chain, hypervisor, place) =>
    rename(chain, { ...request, to: place.at(request.to) }, hypervisor)

const four = 'base[aaaaaa0aaa0a] <- a[b-0b-bb-0b-b] <- b[-c-0c--c-0cc] <- top[--d-0-d--0-d]^'
const five = `${four.slice(0, -1)} <- live[e-----e-----]^`
const wiki = 'base[aaaaaa0aaa0a] <- snap1[b-0b-bb-0b-b] <- snap2[-c-0c--c-0cc]^'
const cell = 65536

const wikiCases: ReadonlyArray<NamedCase> = [
  {
    name: 'wiki table, BlockCommit(vda, NULL or base, a): a goes into base',
    tree: four,
    plan: committing({ top: 'a', base: 'base', leftovers: 'remove' }),
    after: 'base <- b <- top^',
  },
  {
    name: 'wiki table, the same with base left out',
    tree: four,
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- b <- top^',
  },
  {
    name: 'wiki table, BlockCommit(vda, a, b): b goes into a',
    tree: four,
    plan: committing({ top: 'b', base: 'a', leftovers: 'remove' }),
    after: 'base <- a <- top^',
  },
  {
    name: 'wiki table, BlockCommit(vda, NULL, b, SHALLOW): b goes into a',
    tree: four,
    plan: committingShallow({ top: 'b', leftovers: 'remove' }),
    after: 'base <- a <- top^',
  },
  {
    name: 'wiki table, BlockCommit(vda, base, b): a and b go into base',
    tree: four,
    plan: committing({ top: 'b', base: 'base', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'wiki table, BlockRebase(vda, NULL): everything comes up into top',
    tree: four,
    plan: pulling({ into: 'top', leftovers: 'remove' }),
    after: 'top^',
  },
  {
    name: 'wiki table, BlockRebase(vda, base): a and b come up into top',
    tree: four,
    plan: pulling({ into: 'top', base: 'base', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'wiki table, BlockRebase(vda, a): b comes up into top',
    tree: four,
    plan: pulling({ into: 'top', base: 'a', leftovers: 'remove' }),
    after: 'base <- a <- top^',
  },
  {
    name: 'wiki opening picture, pull',
    tree: wiki,
    plan: pulling({ into: 'snap2', base: 'base' }),
    after: 'base <- snap2^',
  },
  { name: 'wiki opening picture, commit', tree: wiki, plan: committing({ top: 'snap1' }), after: 'base <- snap2^' },
  {
    name: 'wiki opening picture, copy',
    tree: wiki,
    plan: copying({ depth: 'full', end: 'pivot' }),
    after: 'new^',
  },
]

const overlayCases: ReadonlyArray<NamedCase> = [
  { name: 'addOverlay', tree: wiki, plan: overlaying(), after: 'base <- snap1 <- snap2 <- new^' },
  {
    name: 'addOverlay names the point in time that it freezes below',
    tree: wiki,
    plan: overlaying({}, { points: [{ point: 'monday', image: 'snap1' }] }),
    after: 'base <- snap1 <- snap2 <- new^',
  },
  {
    name: 'addOverlay with a relative backing string in another folder',
    tree: wiki,
    options: { headers: 'relative', folders: { base: 'x', snap1: 'y/z', snap2: 'y' } },
    plan: overlaying({ file: 'y/z/new', header: '../snap2' }),
    after: 'base <- snap1 <- snap2 <- new^',
  },
  {
    name: 'addOverlay with clusters of 2 MiB',
    tree: wiki,
    plan: overlaying({ clusterBytes: 2097152 }),
    after: 'base <- snap1 <- snap2 <- new^',
  },
  {
    name: 'addOverlay with an image that was made before',
    tree: wiki,
    made: { name: 'new', format: 'qcow2', header: 'snap2', cells: '------------' },
    plan: overlaying({ made: 'before', header: 'snap2', sizeBytes: 12 * cell }),
    after: 'base <- snap1 <- snap2 <- new^',
  },
  { name: 'addOverlay over a raw image', tree: 'base:raw[abcdef0a]^', plan: overlaying(), after: 'base:raw <- new^' },
]

const commitCases: ReadonlyArray<NamedCase> = [
  {
    name: 'commit of the active image, pivot, files removed',
    tree: four,
    plan: committing({ top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }),
    after: 'base <- a^',
  },
  {
    name: 'commit of the active image, pivot, files kept',
    tree: four,
    plan: committing({ top: 'top', base: 'base', end: 'pivot' }),
    after: 'base^',
  },
  {
    name: 'commit of the active image, base left out',
    tree: four,
    plan: committing({ top: 'top', end: 'pivot', leftovers: 'remove' }),
    after: 'base^',
  },
  {
    name: 'commit of the active image, the guest stays',
    tree: four,
    plan: committing({ top: 'top', base: 'a', end: 'keep' }),
    after: 'base <- a <- b <- top^',
  },
  {
    name: 'commit of the active image into its own backing file',
    tree: four,
    plan: committingShallow({ top: 'top', end: 'pivot', leftovers: 'remove' }),
    after: 'base <- a <- b^',
  },
  {
    name: 'commit in the middle, files kept, the point in time of its top kept in the base',
    tree: five,
    plan: committing({ top: 'b', base: 'a', points: [{ point: 'monday', image: 'b' }] }),
    after: 'base <- a <- top <- live^',
  },
  {
    name: 'commit below a point in time that stays where it is',
    tree: five,
    plan: committing({ top: 'a', leftovers: 'remove', points: [{ point: 'monday', image: 'b' }] }),
    after: 'base <- b <- top <- live^',
  },
  {
    name: 'commit of the top below the active image',
    tree: five,
    plan: committing({ top: 'top', base: 'a', leftovers: 'remove' }),
    after: 'base <- a <- live^',
  },
]

const pullCases: ReadonlyArray<NamedCase> = [
  {
    name: 'pull that keeps a point in time and its file',
    tree: four,
    plan: pulling({ into: 'top', base: 'base', leftovers: 'remove', points: [{ point: 'monday', image: 'a' }] }),
    after: 'base <- (a, top^)',
  },
  {
    name: 'pull of everything, files kept',
    tree: four,
    plan: pulling({ into: 'top' }),
    after: 'top^',
  },
  {
    name: 'pull down to the own backing file takes nothing up',
    tree: four,
    plan: pulling({ into: 'top', base: 'b' }),
    after: 'base <- a <- b <- top^',
  },
  {
    name: 'pull into an intermediate image',
    tree: five,
    via: ['qmp', 'qemu-img'],
    plan: pulling({ into: 'b', base: 'base', leftovers: 'remove' }),
    after: 'base <- b <- top <- live^',
  },
  {
    name: 'pull of everything into an intermediate image',
    tree: five,
    via: ['qmp', 'qemu-img'],
    plan: pulling({ into: 'b', leftovers: 'remove' }),
    after: 'b <- top <- live^',
  },
]

const other = '; obase[bbbbbb0bbbbb] <- oa[----c---0---]'
const equal = `base[aaaaaa0aaa0a] <- a[bbbbcb-b0bbb] <- top[--d-0-d--0-d]^${other}`

const copyCases: ReadonlyArray<NamedCase> = [
  {
    name: 'copy in full, pivot, files removed',
    tree: four,
    plan: copying({ depth: 'full', end: 'pivot', leftovers: 'remove' }),
    after: 'new^',
  },
  {
    name: 'copy in full into a raw image, pivot',
    tree: four,
    plan: copying({ depth: 'full', end: 'pivot' }, { format: 'raw' }),
    after: 'new:raw^',
  },
  {
    name: 'copy in full, the guest stays',
    tree: four,
    plan: copying({ depth: 'full', end: 'keep' }),
    after: 'base <- a <- b <- top^; new',
  },
  {
    name: 'copy in full into a raw image, the guest stays',
    tree: four,
    plan: copying({ depth: 'full', end: 'keep' }, { format: 'raw' }),
    after: 'base <- a <- b <- top^; new:raw',
  },
  {
    name: 'copy of the active image alone, pivot',
    tree: four,
    plan: copying({ depth: 'shallow', end: 'pivot', leftovers: 'remove' }),
    after: 'base <- a <- b <- new^',
  },
  {
    name: 'copy of the active image alone, the guest stays',
    tree: four,
    plan: copying({ depth: 'shallow', end: 'keep' }),
    after: 'base <- a <- b <- (top^, new)',
  },
  {
    name: 'copy of the active image alone, with a relative backing string and small clusters',
    tree: four,
    plan: copying({ depth: 'shallow', end: 'pivot' }, { header: 'b', clusterBytes: 4096 }),
    after: 'base <- a <- b <- new^',
  },
  {
    name: 'copy in full onto an image that was made before and holds something else',
    tree: four,
    made: { name: 'new', format: 'qcow2', cells: 'xyxyxyxyxyxy' },
    plan: copying({ depth: 'full', end: 'pivot' }, { made: 'before', sizeBytes: 12 * cell }),
    after: 'new^',
  },
  {
    name: 'copy in full onto a raw image that was made before and holds something else, the guest stays',
    tree: four,
    made: { name: 'new', format: 'raw', cells: 'xyxyxyxyxyxy' },
    plan: copying({ depth: 'full', end: 'keep' }, { made: 'before', format: 'raw', sizeBytes: 12 * cell }),
    after: 'base <- a <- b <- top^; new:raw',
  },
  {
    name: 'copy of the active image alone onto an image that was made before',
    tree: four,
    via: ['qmp', 'libvirt'],
    made: { name: 'new', format: 'qcow2', header: 'b', cells: '------------' },
    plan: copying({ depth: 'shallow', end: 'pivot' }, { made: 'before', header: 'b', sizeBytes: 12 * cell }),
    after: 'base <- a <- b <- new^',
  },
  {
    name: 'copy of the active image alone onto another chain from which a guest reads the same, pivot',
    tree: equal,
    plan: copying({ depth: 'shallow', onto: 'oa', end: 'pivot', leftovers: 'remove' }),
    after: 'obase <- oa <- new^',
  },
  {
    name: 'copy of the active image alone onto another chain from which a guest reads the same, the guest stays',
    tree: equal,
    plan: copying({ depth: 'shallow', onto: 'oa', end: 'keep' }),
    after: 'base <- a <- top^; obase <- oa <- new',
  },
]

const siblings = 'base[aaaaaa0aaa0a] <- a[b-0b-bb-0b-b] <- (b[-c-0c--c-0cc] <- top[--d-0-d--0-d]^, s[s----s-----s])'

const treeCases: ReadonlyArray<NamedCase> = [
  {
    name: 'commit with a sibling on top, which is repointed by rebase -u',
    tree: siblings,
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- (b <- top^, s)',
  },
  {
    name: 'commit with a sibling on top, which goes on reading the file that stays',
    tree: siblings,
    via: ['qmp', 'libvirt'],
    plan: committing({ top: 'a' }),
    after: 'base <- (a <- s, b <- top^)',
  },
  {
    name: 'commit with a sibling on top that the same QEMU has open, which QEMU repoints',
    tree: siblings,
    via: ['qmp'],
    qmp: { besides: ['s'] },
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- (b <- top^, s)',
  },
  {
    name: 'commit beside a side branch further up',
    tree: 'base[aaaaaa0aaa0a] <- a[b-0b-bb-0b-b] <- b[-c-0c--c-0cc] <- (top[--d-0-d--0-d]^, s[s----s-----s])',
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- b <- (top^, s)',
  },
  {
    name: 'pull over a shared base, which stays for the sibling',
    tree: siblings,
    plan: pulling({ into: 'top', leftovers: 'remove' }),
    after: 'base <- a <- s; top^',
  },
  {
    name: 'active commit above a shared base',
    tree: siblings,
    plan: committing({ top: 'top', base: 'b', end: 'pivot', leftovers: 'remove' }),
    after: 'base <- a <- (b^, s)',
  },
  {
    name: 'copy in full beside a sibling',
    tree: siblings,
    plan: copying({ depth: 'full', end: 'pivot', leftovers: 'remove' }),
    after: 'base <- a <- s; new^',
  },
]

const rawBase = 'base:raw[aaaaaa0aaa0a] <- a[b-0b-bb-0b-b] <- top[--d-0-d--0-d]^'

const rawCases: ReadonlyArray<NamedCase> = [
  { name: 'commit into a raw base', tree: rawBase, plan: committing({ top: 'a' }), after: 'base:raw <- top^' },
  {
    name: 'active commit into a raw base',
    tree: rawBase,
    plan: committing({ top: 'top', end: 'pivot', leftovers: 'remove' }),
    after: 'base:raw^',
  },
  {
    name: 'pull down to a raw base',
    tree: rawBase,
    plan: pulling({ into: 'top', base: 'base', leftovers: 'remove' }),
    after: 'base:raw <- top^',
  },
  { name: 'pull of everything, raw base', tree: rawBase, plan: pulling({ into: 'top' }), after: 'top^' },
]

const sizeCases: ReadonlyArray<NamedCase> = [
  {
    name: 'commit grows a smaller base',
    tree: 'base[aaaa] <- a[--bb-b-0] <- top[c------d----]^',
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'commit grows a smaller raw base',
    tree: 'base:raw[aaaa] <- a[--bb-b-0] <- top[c------d----]^',
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base:raw <- top^',
  },
  {
    name: 'commit into a base that stays larger than its top, under an overlay that is no larger than the top',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- top[---d]^',
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'commit of a span with a short image in its middle',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- b[c------c] <- top[---d---0]^',
    plan: committing({ top: 'b', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'active commit through a short image in the middle',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- top[---d---0]^',
    plan: committing({ top: 'top', end: 'pivot', leftovers: 'remove' }),
    after: 'base^',
  },
  {
    name: 'active commit grows a smaller base, the guest stays',
    tree: 'base[aaaa] <- top[---d---e]^',
    plan: committing({ top: 'top', end: 'keep' }),
    after: 'base <- top^',
  },
  {
    name: 'pull of everything over a short backing file',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- top[---d---0]^',
    plan: pulling({ into: 'top', leftovers: 'remove' }),
    after: 'top^',
  },
  {
    name: 'pull with a short image further down',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- b[c-------] <- top[---d---0]^',
    plan: pulling({ into: 'top', base: 'base', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'pull over a short backing file by qemu-img rebase',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- top[---d---0]^',
    via: ['qemu-img'],
    plan: pulling({ into: 'top', base: 'base', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'copy in full of a chain of unequal sizes',
    tree: 'base[aaaaaaaa] <- a[-bb-] <- top[---d---0-]^',
    plan: copying({ depth: 'full', end: 'pivot' }),
    after: 'new^',
  },
]

const short = 'base[aaaaaaaa] <- a[-bb-] <- (top[c-------]^, s[d-----])'

/** A short top that is enlarged before it goes down. */
const growthCases: ReadonlyArray<NamedCase> = [
  {
    name: 'commit of a short top, enlarged first, with a sibling that is repointed',
    tree: short,
    plan: committing({ top: 'a', short: 'grow', leftovers: 'remove' }),
    after: 'base <- (top^, s)',
  },
  {
    name: 'commit of a short top, enlarged first, and its file stays',
    tree: short,
    plan: committing({ top: 'a', short: 'grow' }),
    after: 'base <- (top^, s)',
  },
  {
    name: 'commit of a short top over a raw base, enlarged first',
    tree: 'base:raw[aaaaaaaa] <- a[-bb-] <- top[c-----]^',
    plan: committing({ top: 'a', short: 'grow', leftovers: 'remove' }),
    after: 'base:raw <- top^',
  },
  {
    name: 'commit of a short top above another short image, enlarged first',
    tree: 'base[aaaaaaaa] <- m[-e--] <- a[--b-] <- top[c-------]^',
    plan: committing({ top: 'a', short: 'grow', leftovers: 'remove' }),
    after: 'base <- top^',
  },
].map((one) => ({ ...one, via: ['qemu-img'] }))

const folders = { base: 'x', a: 'y/z', b: 'x', top: 'w' }
const apart: TreeOptions = { headers: 'relative', folders }

const nameCases: ReadonlyArray<NamedCase> = [
  {
    name: 'commit with relative names in several folders',
    tree: four,
    options: apart,
    plan: committing({ top: 'b', base: 'base', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'active commit with relative names in several folders',
    tree: four,
    options: apart,
    plan: committing({ top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }),
    after: 'base <- a^',
  },
  {
    name: 'pull with relative names in several folders',
    tree: four,
    options: apart,
    plan: pulling({ into: 'top', base: 'base', leftovers: 'remove' }),
    after: 'base <- top^',
  },
  {
    name: 'sibling repointed with relative names in several folders',
    tree: siblings,
    options: { headers: 'relative', folders: { ...folders, s: 'x/y' } },
    plan: committing({ top: 'a', leftovers: 'remove' }),
    after: 'base <- (b <- top^, s)',
  },
]

/** Another path for the file of an image; what was relative stays so. */
const renameCases: ReadonlyArray<NamedCase> = (['absolute', 'relative'] as const).flatMap((headers) =>
  (
    [
      ['the active image', four, { image: 'top', to: 'v', name: 'v' }, 'base <- a <- b <- v^'],
      ['an image below, which a sibling reads too', siblings, { image: 'a', to: 'v' }, 'base <- a <- (b <- top^, s)'],
      ['a leaf beside the chain', siblings, { image: 's', to: 'v', name: 'v' }, 'base <- a <- (b <- top^, v)'],
      ['the base', four, { image: 'base', to: 'v:1', name: 'v:1' }, '"v:1" <- a <- b <- top^'],
      ['a raw base', rawBase, { image: 'base', to: 'v' }, 'base:raw <- a <- top^'],
      ['an image into another folder', siblings, { image: 'a', to: 'x/w/v', name: 'v' }, 'base <- v <- (b <- top^, s)'],
      ['the active image into another folder', four, { image: 'top', to: 'x/v' }, 'base <- a <- b <- top^'],
      [
        'an image with a named point in time',
        four,
        { image: 'a', to: 'v', name: 'v', points: [{ point: 'monday', image: 'a' }] },
        'base <- v <- b <- top^',
      ],
    ] as const
  ).map(([what, tree, request, after]): NamedCase => ({
    name: `rename of ${what}, ${headers}`,
    tree,
    via: ['qemu-img'],
    // The folders are there already: link(2) makes none.
    options: { headers, folders: request.to.includes('/') ? { base: 'x/w' } : {} },
    plan: renaming(request),
    after,
  })),
)

const oddNames: ReadonlyArray<readonly [string, readonly [string, string, string]]> = [
  ['spaces', ['a base', ' b ', 'the top']],
  ['quotes', ['ba"se', "b'b", 'top`']],
  ['percent and commas', ['ba%20se', 'b,b', 'top,file=x']],
  ['a newline', ['base\n1', 'b\nb', 'top\n']],
  ['a leading dash', ['-base', '--b', '-t']],
  ['letters beyond ASCII', ['базе', 'b\u00e9', '\u9802']],
]

const oddCases = oddNames.flatMap(([what, [base, b, top]]): ReadonlyArray<NamedCase> => {
  const quoted = JSON.stringify
  const plain = (name: string): string => (/^[-\p{L}\p{N}'`%]+$/u.test(name) ? name : quoted(name))
  const cells = (['abab0-', '-b-0b-', '---c--'] as const).map((one) => `[${one}]`)
  const tree = `${quoted(base)}${cells[0]} <- ${quoted(b)}${cells[1]} <- ${quoted(top)}${cells[2]}^`
  return (['relative', 'absolute'] as const).flatMap((headers) => [
    {
      name: `commit with ${what} in the names, ${headers}`,
      tree,
      options: { headers },
      plan: committing({ top: b, base, leftovers: 'remove' }),
      after: `${plain(base)} <- ${plain(top)}^`,
    },
    {
      name: `pull with ${what} in the names, ${headers}`,
      tree,
      options: { headers },
      plan: pulling({ into: top, base, leftovers: 'remove' }),
      after: `${plain(base)} <- ${plain(top)}^`,
    },
    {
      name: `active commit and sibling with ${what} in the names, ${headers}`,
      tree,
      options: { headers },
      plan: committing({ top, base: b, end: 'pivot', leftovers: 'remove' }),
      after: `${plain(base)} <- ${plain(b)}^`,
    },
  ])
})

const nodeCases: ReadonlyArray<NamedCase> = (
  [
    ['commit', committing({ top: 'b', base: 'base', leftovers: 'remove' }), 'base <- top^'],
    ['active commit, pivot', committing({ top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }), 'base <- a^'],
    ['active commit, kept', committing({ top: 'top', base: 'a', end: 'keep' }), 'base <- a <- b <- top^'],
    ['pull', pulling({ into: 'top', base: 'base', leftovers: 'remove' }), 'base <- top^'],
    ['pull into the middle', pulling({ into: 'b', base: 'base', leftovers: 'remove' }), 'base <- b <- top^'],
    ['addOverlay', overlaying(), 'base <- a <- b <- top <- new^'],
    ['copy in full', copying({ depth: 'full', end: 'pivot', leftovers: 'remove' }), 'new^'],
    ['shallow copy', copying({ depth: 'shallow', end: 'pivot', leftovers: 'remove' }), 'base <- a <- b <- new^'],
  ] as const
).flatMap(([what, plan, after]) => {
  const one = { tree: four, plan, after, via: ['qmp'] } as const
  return [
    { ...one, name: `${what} with nodes that QEMU opened by itself`, qmp: { nodes: 'implicit' } } as const,
    { ...one, name: `${what} with a guest that never ran`, qmp: { guest: 'paused' } } as const,
    { ...one, name: `${what} with a guest that was stopped`, qmp: { guest: 'stopped' } } as const,
    ...(what.includes('copy')
      ? []
      : [{ ...one, name: `${what} below a throttle filter`, qmp: { filter: 'throttle' } } as const]),
  ]
})

const pausedCases: ReadonlyArray<NamedCase> = (
  [
    ['commit', committing({ top: 'b', base: 'base' }), 'base <- top^'],
    ['active commit, pivot', committing({ top: 'top', base: 'a', end: 'pivot' }), 'base <- a^'],
    ['active commit, kept', committing({ top: 'top', base: 'a', end: 'keep' }), 'base <- a <- b <- top^'],
    ['addOverlay', overlaying(), 'base <- a <- b <- top <- new^'],
    ['copy in full', copying({ depth: 'full', end: 'pivot' }), 'new^'],
    ['shallow copy', copying({ depth: 'shallow', end: 'pivot' }), 'base <- a <- b <- new^'],
  ] as const
).map(([what, plan, after]) => ({
  name: `${what} of a paused domain`,
  tree: four,
  via: ['libvirt'],
  libvirt: { guest: 'paused' },
  plan,
  after,
}))

const definitionCases: ReadonlyArray<NamedCase> = (
  [
    ['commit', committing({ top: 'b', base: 'base', leftovers: 'remove' }), 'base <- top^'],
    ['active commit', committing({ top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }), 'base <- a^'],
    ['pull', pulling({ into: 'top', base: 'base', leftovers: 'remove' }), 'base <- top^'],
    ['pull of everything', pulling({ into: 'top', leftovers: 'remove' }), 'top^'],
    ['addOverlay', overlaying(), 'base <- a <- b <- top <- new^'],
    ['copy in full', copying({ depth: 'full', end: 'pivot', leftovers: 'remove' }), 'new^'],
    ['copy into a raw image', copying({ depth: 'full', end: 'pivot' }, { format: 'raw' }), 'new:raw^'],
  ] as const
).flatMap(([what, plan, after]) => {
  const one = { tree: four, plan, after, via: ['libvirt'] } as const
  return [
    { ...one, name: `${what} of a domain that stores its whole chain`, libvirt: { stored: 'chain' } } as const,
    { ...one, name: `${what} of a transient domain`, libvirt: { definition: 'transient' } } as const,
  ]
})

const clusterCases: ReadonlyArray<NamedCase> = (
  [
    ['commit', committing({ top: 'b', base: 'base', leftovers: 'remove' }), 'base <- top^'],
    ['active commit', committing({ top: 'top', base: 'a', end: 'pivot', leftovers: 'remove' }), 'base <- a^'],
    ['pull', pulling({ into: 'top', base: 'base', leftovers: 'remove' }), 'base <- top^'],
    ['shallow copy', copying({ depth: 'shallow', end: 'pivot', leftovers: 'remove' }), 'base <- a <- b <- new^'],
  ] as const
).flatMap(([what, plan, after]) => [
  {
    name: `${what} with clusters that grow upwards`,
    tree: four,
    plan,
    after,
    options: { clusters: { base: 512, a: 4096, b: 131072, top: 2097152 } },
  },
  {
    name: `${what} with clusters that grow downwards`,
    tree: four,
    plan,
    after,
    options: { clusters: { base: 2097152, a: 1048576, b: 65536, top: 1024 } },
  },
])

/** All of them. */
export const cases: ReadonlyArray<NamedCase> = [
  ...[...wikiCases, ...overlayCases, ...commitCases, ...pullCases, ...copyCases, ...treeCases, ...rawCases],
  ...[...sizeCases, ...nameCases, ...oddCases, ...nodeCases, ...pausedCases, ...definitionCases, ...clusterCases],
  ...[...growthCases, ...renameCases],
]

/** A storage daemon does what a monitor does, but has nobody to switch over, and open only what the plan opens. */
const forDaemon = (one: NamedCase): boolean =>
  (one.via === undefined || one.via.includes('qmp')) && one.qmp === undefined && !overlayCases.includes(one)

/** Those for one way. */
export const casesFor = (via: Via): ReadonlyArray<NamedCase> =>
  via === 'storage-daemon'
    ? cases.filter(forDaemon)
    : cases.filter((one) => one.via === undefined || one.via.includes(via))
