import { emptyLayer } from '../content/layer.js'
import { inodeOf, writeFile } from './files.js'
import { addNode, nodeOf } from './graph.js'
import { blankFile } from './job-create.js'
import { newNode } from './node.js'
import { withProcess } from './world.js'
import type { FileHeader, Source, World } from './world.js'

/** What libvirt makes a new image like: as large as the one it replaces or covers, and with clusters of its size. */
export interface NewImage {
  readonly to: Source
  readonly sizeBytes: number
  readonly clusterBytes: number | undefined
  readonly header: FileHeader | undefined
}

/** Makes the image, over whatever is there. */
export const makeImage = (world: World, { to, sizeBytes, clusterBytes, header }: NewImage): World =>
  writeFile(
    world,
    to.path,
    to.format === 'raw'
      ? blankFile(sizeBytes)
      : { ...blankFile(0), format: to.format, layer: emptyLayer(sizeBytes), clusterBytes, version: 3, header },
  )

/** Opens an image under names of libvirt's own: the numbers go up for as long as the QEMU runs. */
export const openImage = (
  world: World,
  to: Source,
  backing: string | undefined,
): { readonly world: World; readonly name: string } => {
  let number = (world.qemu?.counter ?? 0) + 1
  while (nodeOf(world, `libvirt-${number}-format`) !== undefined) number++
  const common = { file: inodeOf(world, to.path) ?? '', openedAs: to.path, named: 'made up' } as const
  const storage = `libvirt-${number}-storage`
  const name = `libvirt-${number}-format`
  const counted = withProcess(world, { counter: number })
  const below = addNode(counted, newNode({ ...common, name: storage, kind: 'storage', driver: 'file' }))
  const node = newNode({ ...common, name, kind: 'format', driver: to.format, storage, backing })
  return { world: addNode(below, node), name }
}
