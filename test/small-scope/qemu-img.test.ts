import { describe, expect, it } from 'vitest'

import { offline } from '../operation/expect-plan.js'
import { everything, growths, renames } from './lawful.js'
import { smallPaths, smallTrees } from './scope.js'

const nodes = 'closed'

/** Each count is of plans that kept every law; what is not counted was refused. */
describe('every plan through qemu-img for every small chain keeps every law', () => {
  it.each([
    [1, 54],
    [2, 708],
    [3, 8492],
  ])('all trees of %d images', (images, plans) => {
    expect(smallTrees(images, nodes).reduce((sum, small) => sum + everything(small, offline), 0)).toBe(plans)
  })

  it('all chains of 4 images', () => {
    expect(smallPaths(4, nodes).reduce((sum, small) => sum + everything(small, offline), 0)).toBe(9150)
  })
})

describe('every rename through qemu-img in every small chain keeps every law', () => {
  it.each([
    [1, 24],
    [2, 288],
    [3, 3888],
  ])('all trees of %d images', (images, plans) => {
    expect(smallTrees(images, nodes).reduce((sum, small) => sum + renames(small, offline), 0)).toBe(plans)
  })
})

describe('every commit through qemu-img that enlarges a short top first keeps every law', () => {
  it('all trees of 3 images', () => {
    expect(smallTrees(3, nodes).reduce((sum, small) => sum + growths(small, offline), 0)).toBe(40)
  })

  it('all chains of 4 images', () => {
    expect(smallPaths(4, nodes).reduce((sum, small) => sum + growths(small, offline), 0)).toBe(300)
  })
})
