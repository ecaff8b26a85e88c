import type { SimNode } from './world.js'

type Needed = 'name' | 'kind' | 'driver' | 'file' | 'openedAs'

/** A node with nobody above and nothing below it; what is left out is the monitor's, writable, and named by the caller. */
export const newNode = (of: Pick<SimNode, Needed> & Partial<Omit<SimNode, Needed>>): SimNode => ({
  storage: undefined,
  backing: undefined,
  overlays: [],
  users: [],
  owner: 'monitor',
  access: 'read-write',
  protocol: 'reopens',
  filters: [],
  named: 'by caller',
  ...of,
})
