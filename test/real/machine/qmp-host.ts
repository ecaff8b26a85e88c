// Executes plans for a whole machine over a QMP socket and with qemu-img; an agent is whatever a test says.

import { chainOfInfo, judgeChain } from '../harness/files.js'
import { chainOfQueryBlock, qmpHost } from '../harness/execute-qmp.js'
import { storageDaemonHost } from '../harness/execute-storage-daemon.js'
import type { Host } from '../harness/steps.js'
import type { QemuVersion } from '../lab/binaries.js'
import type { Qemu } from '../lab/qemu.js'
import { deviceOf } from './qmp-machine.js'

/** Answers a command to the guest agent, or rejects. */
export type Agent = (command: string) => Promise<unknown>

/** An agent that is not there. */
export const noAgent: Agent = () => Promise.reject(new Error('the agent does not answer'))

export interface FreeHost {
  readonly version: QemuVersion
  /** Nothing, where the guest is shut off. */
  readonly qemu: Qemu | undefined
  readonly agent: Agent
}

/** A host without libvirt. What a wait for a chain looks at is what the step's call has answered. */
export const freeHost = ({ version, qemu, agent }: FreeHost): Host => {
  const host = qemu === undefined ? storageDaemonHost(version) : qmpHost(qemu.qmp, '', version)
  return {
    mark: host.mark,
    call: (call) => (call._tag === 'Agent' ? agent(call.command.execute) : host.call(call)),
    wait: (wait, from) => {
      if (wait._tag !== 'ChainIs' || qemu === undefined) return host.wait(wait, from)
      const { reply } = from
      const seen = typeof reply === 'string' ? chainOfInfo(reply) : chainOfQueryBlock(reply, deviceOf(wait.disk))
      return Promise.resolve(judgeChain(wait, seen))
    },
  }
}
