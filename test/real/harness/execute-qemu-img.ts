// Executes plans with qemu-img, and virsh where libvirt holds a definition.

import type { QemuVersion } from '../lab/binaries.js'
import type { Libvirt } from '../lab/libvirtd.js'
import { virshCall } from './execute-virsh.js'
import { chainOfInfo, fileCall, judgeChain, qemuImgCall } from './files.js'
import type { Host } from './steps.js'

/** A host that has qemu-img and, where there is a definition, libvirt. */
export const qemuImgHost = (version: QemuVersion, libvirt?: Libvirt): Host => ({
  mark: () => 0,
  call: async (call) => {
    switch (call._tag) {
      case 'QemuImg':
        return qemuImgCall(call, version)
      case 'Files':
        return fileCall(call)
      case 'Libvirt':
        if (libvirt === undefined) throw new Error('there is no libvirt here')
        return virshCall(libvirt, call.function)
      case 'Qmp':
      case 'StorageDaemon':
      case 'Agent':
      case 'Host':
      case 'HandOver':
        throw new Error('there is nobody to talk to here')
    }
  },
  wait: (wait, { reply }) =>
    wait._tag === 'ChainIs'
      ? Promise.resolve(judgeChain(wait, chainOfInfo(String(reply))))
      : Promise.reject(new Error(`nothing to wait for: ${wait._tag}`)),
})
