import * as E from 'fp-ts/lib/Either.js'

import { imageAt } from '../model/chain-query.js'
import { samePath } from '../model/header.js'
import type { Machine } from '../model/machine.js'
import type { MachineHost } from '../plan/machine-host.js'
import type { LibvirtRefusal } from '../plan/machine-refusal.js'
import { deleteRefusal } from './libvirt-rule.js'
import { libvirtActive, libvirtChain, libvirtChildren, libvirtDescendants, parentOfDisk } from './libvirt-tree.js'
import type { LibvirtSnapshot, LibvirtTree } from './libvirt-tree.js'

/** What is to be deleted, and how libvirt is asked: `CHILDREN`, `CHILDREN_ONLY`, or neither. */
export interface LibvirtDeleteRequest {
  readonly children: 'none' | 'children' | 'children only'
  readonly jobs?: MachineHost['jobs']
}

/** All that libvirt looks at. */
export interface DeleteFacts {
  readonly machine: Machine
  readonly tree: LibvirtTree
  readonly snapshot: LibvirtSnapshot
  readonly request: LibvirtDeleteRequest
}

/** A commit that libvirt begins: the paths of the image above the point in time, and of the one that holds it. */
export interface Above {
  readonly disk: string
  readonly overlay: string
  readonly base: string
  readonly place: 'active' | 'below'
}

/** E1: each disk inside which the snapshot is has to be what QEMU has open under that target. */
const insideRefusal = ({ machine, snapshot }: DeleteFacts): LibvirtRefusal | undefined => {
  if (snapshot.kind === 'external' || machine.state === 'shut-off') return undefined
  for (const [disk, { mode }] of snapshot.disks) {
    const chain = machine.disks.get(disk)
    const [active] = chain === undefined ? [] : libvirtChain(chain)
    if (mode === 'internal' && !samePath(active, snapshot.sources.get(disk)?.path))
      return deleteRefusal.E1({ snapshot: snapshot.name, disk })
  }
  return undefined
}

/** E2 and E3: what lies below has to be inside images too. */
const belowRefusal = ({ tree, snapshot, request }: DeleteFacts): LibvirtRefusal | undefined => {
  if (request.children === 'none') return undefined
  const kinds = new Set(libvirtDescendants(tree, snapshot.name).map(({ kind }) => kind))
  if (!kinds.has('external')) return undefined
  return kinds.has('internal') ? deleteRefusal.E2() : deleteRefusal.E3()
}

const hasJob = (jobs: MachineHost['jobs']): boolean => Array.from(jobs?.values() ?? []).some((one) => one.length > 0)

/** E4 to E8, for an external snapshot. */
const placeRefusal = ({ tree, snapshot, request }: DeleteFacts): LibvirtRefusal | undefined => {
  if (snapshot.kind === 'internal') return undefined
  if (hasJob(request.jobs)) return deleteRefusal.E4()
  if (request.children === 'children') return deleteRefusal.E5()
  const children = libvirtChildren(tree, snapshot.name).length
  if (children === 0) return undefined
  if (snapshot.name === tree.current) return deleteRefusal.E6()
  if (!libvirtActive(tree).has(snapshot.name)) return deleteRefusal.E7()
  return children > 1 ? deleteRefusal.E8() : undefined
}

/** Why libvirt would not begin with the snapshot, whatever its disks are. */
export const validated = (facts: DeleteFacts): LibvirtRefusal | undefined =>
  insideRefusal(facts) ?? belowRefusal(facts) ?? placeRefusal(facts)

/** A leaf that the present does not come from has no overlay: its files are unlinked, and nothing is committed. */
export const isUnlinked = ({ tree, snapshot }: Pick<DeleteFacts, 'tree' | 'snapshot'>): boolean =>
  snapshot.name !== tree.current && libvirtChildren(tree, snapshot.name).length === 0

/** The path of the image above the point in time: the active one, or what the next snapshot on the way to it names. */
const aboveOf = ({ machine, tree, snapshot }: DeleteFacts, disk: string): string | undefined => {
  const chain = machine.disks.get(disk)
  if (snapshot.name === tree.current) return chain === undefined ? undefined : libvirtChain(chain)[0]
  const active = libvirtActive(tree)
  const next = libvirtChildren(tree, snapshot.name).find(({ name }) => active.has(name))
  return next?.sources.get(disk)?.path
}

/**
 * E16: libvirt asks of every snapshot below, off the active path, what each of its disks lies on. Where its record does not say,
 * libvirt looks into the file, but not deep enough, and dies at an image that has a backing file, or is not there.
 */
const crashes = ({ machine, tree, snapshot }: DeleteFacts): boolean => {
  const active = libvirtActive(tree)
  return libvirtDescendants(tree, snapshot.name).some(
    ({ name, sources }) =>
      !active.has(name) &&
      Array.from(sources).some(([disk, { path, below, end }]) => {
        const chain = machine.disks.get(disk)
        if (path === undefined || chain === undefined || below.length > 0 || end === 'terminated') return false
        const image = imageAt(chain, path)
        return image === undefined || image.backing !== undefined
      }),
  )
}

const chainOfDisk = (facts: DeleteFacts, disk: string): E.Either<LibvirtRefusal, Above> => {
  const chain = facts.machine.disks.get(disk)
  const paths = chain === undefined ? [] : libvirtChain(chain)
  const above = aboveOf(facts, disk)
  const at = paths.findIndex((path) => samePath(path, above))
  const [overlay, base] = at < 0 ? [] : paths.slice(at, at + 2)
  if (overlay === undefined) return E.left(deleteRefusal.E12())
  if (base === undefined) return E.left(deleteRefusal.E13())
  if (!samePath(base, facts.snapshot.sources.get(disk)?.path)) return E.left(deleteRefusal.E14())
  if (crashes(facts)) return E.left(deleteRefusal.E16())
  return E.right({ disk, overlay, base, place: at === 0 ? 'active' : 'below' })
}

const externalDisks = ({ disks }: LibvirtSnapshot): ReadonlyArray<string> =>
  Array.from(disks).flatMap(([disk, { mode }]) => (mode === 'external' ? [disk] : []))

/** E9 and E10 for each external disk: all that libvirt asks before it unlinks. */
export const unlinkedDisks = ({ snapshot }: DeleteFacts): E.Either<LibvirtRefusal, ReadonlyArray<string>> => {
  const disks = externalDisks(snapshot)
  for (const disk of disks) {
    if (snapshot.disks.get(disk)?.deletion === 'in progress') return E.left(deleteRefusal.E9({ disk }))
    if (!snapshot.sources.has(disk)) return E.left(deleteRefusal.E10({ disk }))
  }
  return E.right(disks)
}

/** One pass over the disks. libvirt does not look into the chain before a QEMU has it open. */
const onePass = (facts: DeleteFacts, sees: 'chain' | 'records'): E.Either<LibvirtRefusal, ReadonlyArray<Above>> => {
  const found: Array<Above> = []
  for (const disk of externalDisks(facts.snapshot)) {
    if (facts.snapshot.disks.get(disk)?.deletion === 'in progress') return E.left(deleteRefusal.E9({ disk }))
    if (!facts.snapshot.sources.has(disk)) return E.left(deleteRefusal.E10({ disk }))
    if (!facts.machine.disks.has(disk)) return E.left(deleteRefusal.E11({ disk }))
    const above = sees === 'chain' ? chainOfDisk(facts, disk) : undefined
    if (above !== undefined && E.isLeft(above)) return above
    if (above !== undefined) found.push(above.right)
    if (parentOfDisk(facts.tree, facts.snapshot.name, disk)?.kind === 'internal') return E.left(deleteRefusal.E15())
  }
  return E.right(found)
}

/** E9 to E14, E16 and E15 for one disk after the other; for a guest that is shut off first without E12 to E14 and E16, then, started, with them. */
export const committedDisks = (facts: DeleteFacts): E.Either<LibvirtRefusal, ReadonlyArray<Above>> => {
  const before = facts.machine.state === 'shut-off' ? onePass(facts, 'records') : undefined
  return before !== undefined && E.isLeft(before) ? before : onePass(facts, 'chain')
}
