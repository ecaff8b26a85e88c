import { map } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'

import { nameProblem } from './convention-row.js'
import type { Finding } from './diff-finding.js'
import type { Sight, SightedImage } from './diff-observation.js'

/** What is wrong with the images, whatever the rows say: the active one, image by image, then every loop once. */
export const imageFindings = (seen: Sight, active: string): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const say = (finding: Finding | undefined): unknown => finding !== undefined && findings.push(finding)
  say(nameProblem<Finding>(active, seen.answering(active), { _tag: 'ActiveMissing', active }))
  for (const {
    image: { name: image, backing },
  } of seen.images) {
    say(nameProblem(image, seen.answering(image), undefined))
    if (backing === undefined) continue
    const dangling: Finding = { _tag: 'DanglingBacking', image, backing: backing.image }
    say(nameProblem(backing.image, seen.answering(backing.image), dangling))
  }
  for (const loop of seen.loops) {
    const images = map(({ image }: SightedImage) => image.name)(loop)
    findings.push(loop.length > 1 ? { _tag: 'BackingLoop', images } : { _tag: 'SelfBacking', image: images[0] })
  }
  return findings
}

const hasOtherReaders = ({ image: { otherReaders } }: SightedImage): boolean =>
  otherReaders !== undefined && otherReaders !== 'unknown' && otherReaders.length > 0

/** The images that nobody who is known needs: not the rows, not the guest, not another reader, nor what these read. */
export const extraImages = (seen: Sight, named: ReadonlySet<SightedImage>): ReadonlyArray<Finding> => {
  const needed = new Set([...named, ...seen.images.filter(hasOtherReaders)])
  if (seen.active !== undefined) needed.add(seen.active)
  for (const { backing } of needed) if (backing !== undefined) needed.add(backing)
  return seen.images.flatMap((one): ReadonlyArray<Finding> =>
    needed.has(one) ? [] : [{ _tag: 'ImageExtra', image: one.image.name }],
  )
}
