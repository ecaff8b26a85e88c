import type { Image } from '../../model/image.js'
import { activeImage, activePath } from '../../model/chain-query.js'
import type { QemuImgHypervisor } from '../../plan/hypervisor.js'
import type { Step } from '../../plan/plan.js'
import { isOnPath, oldPath } from '../rename-job.js'
import type { RenameOutcome } from '../rename-outcome.js'
import { mendDefinition, observe, repoint } from './qemu-img-step.js'

const linked = ({ job }: RenameOutcome): Step => ({
  call: { _tag: 'Files', operation: 'link', path: oldPath(job), to: job.request.to },
  why: 'the file has both names from here on, so that every header, old or new, leads to it; nothing is overwritten',
})

const unlinked = ({ job }: RenameOutcome): Step => ({
  call: { _tag: 'Files', operation: 'remove', path: oldPath(job) },
  why: 'nobody names the old path any more, and the file has its new one',
})

const absolute = ({ job, meanwhile }: RenameOutcome): ReadonlyArray<Step> =>
  meanwhile === undefined
    ? []
    : [repoint(job.image, meanwhile, 'a whole path leads to the same file from the old folder and from the new one')]

const repointed = ({ job, overlays }: RenameOutcome): ReadonlyArray<Step> =>
  job.overlays.flatMap((overlay) => {
    const backing = overlays.get(overlay.name)
    const why = 'both names lead to the same file, so rewriting the header alone changes nothing that is read'
    return backing === undefined ? [] : [repoint(overlay, backing, why)]
  })

/** Whoever reads the image, from as far up as the guest does: what is seen through them all is seen through each. */
const observed = ({ job, renamed, after }: RenameOutcome): ReadonlyArray<Step> => {
  const onPath = new Set(activePath(after).map(({ name }) => String(name)))
  const beside = job.overlays.filter(({ name }) => !onPath.has(name)).map(({ name }) => observe(after, name))
  const own = onPath.has(renamed.name) ? [observe(after)] : beside.length === 0 ? [observe(after, renamed.name)] : []
  return [...beside, ...own]
}

/** libvirt's persistent definition names the active image, and may store what lies below. */
const mended = ({ job, after }: RenameOutcome, { definition }: QemuImgHypervisor): ReadonlyArray<Step> => {
  if (definition === undefined || !isOnPath(job)) return []
  const active: Image | undefined = job.image.name === job.chain.active ? activeImage(after) : undefined
  return [mendDefinition(definition, active)]
}

/** With the old name gone, the string can be relative to the new folder. */
const relative = ({ renamed, meanwhile, own, after }: RenameOutcome): ReadonlyArray<Step> =>
  own === undefined || own.header === meanwhile?.header
    ? []
    : [repoint(renamed, own, 'relative again, from the new folder'), observe(after, renamed.name)]

/** A rename as system calls and qemu-img command lines, for a guest that is shut off: every prefix of it leaves the disk whole. */
export const qemuImgRename = (outcome: RenameOutcome, hypervisor: QemuImgHypervisor): ReadonlyArray<Step> => [
  linked(outcome),
  ...absolute(outcome),
  ...repointed(outcome),
  ...observed(outcome),
  ...mended(outcome, hypervisor),
  unlinked(outcome),
  ...relative(outcome),
]
