// What virsh says when something fails.

import type { Ran } from '../lab/exec.js'

/** libvirt's own text, as virsh prints it; nothing where all went well. */
export const said = ({ stderr }: Ran): string =>
  stderr.split('\n').find((line) => line.startsWith('error: ') && !/Failed to (delete|revert)/.test(line)) ?? ''

/** What QEMU or the file system objects to, which nobody foresees. */
export const objection =
  /Cannot access|unable to execute QEMU command|Failed to get|qemu-img|does not exist|is no longer/
