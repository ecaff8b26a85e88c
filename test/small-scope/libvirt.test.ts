import { describe, expect, it } from 'vitest'

import { live } from '../operation/expect-plan.js'
import { everything } from './lawful.js'
import { smallPaths, smallTrees } from './scope.js'

const nodes = 'closed'

/** Each count is of plans that kept every law; what is not counted was refused. */
describe('every plan through libvirt for every small chain keeps every law', () => {
  it.each([
    [1, 54],
    [2, 636],
    [3, 6420],
  ])('all trees of %d images', (images, plans) => {
    expect(smallTrees(images, nodes).reduce((sum, small) => sum + everything(small, live), 0)).toBe(plans)
  })

  it('all chains of 4 images', () => {
    expect(smallPaths(4, nodes).reduce((sum, small) => sum + everything(small, live), 0)).toBe(7410)
  })
})
