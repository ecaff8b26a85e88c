import type { ExportRequest, NewImage } from '../../src/index.js'

/** A new image in a folder of its own. */
export const file = (name: string, more: Partial<NewImage> = {}): NewImage => ({
  name,
  location: { _tag: 'File', path: `/backup/${name}` },
  format: 'qcow2',
  ...more,
})

/** One disk, and two. */
export const vda: ExportRequest = { to: new Map([['vda', file('x')]]) }

export const both: ExportRequest = {
  to: new Map([
    ['vda', file('x')],
    ['vdb', file('y')],
  ]),
}
