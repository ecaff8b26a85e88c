// Which program to run for which version. `.ci/lab` puts them there.

import { join } from 'node:path'

export type QemuVersion = '7.2' | '10.0'
export type QemuTool = 'qemu-img' | 'qemu-io' | 'qemu-system-x86_64' | 'qemu-storage-daemon'

export const qemuVersions: ReadonlyArray<QemuVersion> = ['7.2', '10.0']

/** The program of that version: 10.0 is the installed one, 7.2 lies in a folder of its own. */
export const binary = (version: QemuVersion, tool: QemuTool): string =>
  version === '10.0' ? tool : join(process.env['QEMU72_DIR'] ?? '/opt/backing-chain/qemu-7.2', 'bin', tool)
