import { describe, expect, it } from 'vitest'

import { daemon } from '../operation/expect-plan.js'
import { everything } from './lawful.js'
import { smallPaths, smallTrees } from './scope.js'

const nodes = 'closed'

/** As many as through a monitor, less one overlay for each chain. */
describe('every plan through a storage daemon for every small chain keeps every law', () => {
  it.each([
    [1, 48],
    [2, 600],
    [3, 6312],
  ])('all trees of %d images', (images, plans) => {
    expect(smallTrees(images, nodes).reduce((sum, small) => sum + everything(small, daemon), 0)).toBe(plans)
  })

  it('all chains of 4 images', () => {
    expect(smallPaths(4, nodes).reduce((sum, small) => sum + everything(small, daemon), 0)).toBe(8808)
  })
})
