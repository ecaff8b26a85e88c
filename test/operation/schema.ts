import { readFileSync } from 'node:fs'
import * as E from 'fp-ts/lib/Either.js'

import { capabilitiesOfVersions, withSchema } from '../../src/index.js'
import type { Hypervisor, Plan, QmpCommand } from '../../src/index.js'
import { decodeQmpSchema, qmpValidator } from '../../src/codec/index.js'
import type { Problem } from '../../src/codec/index.js'

/** A QEMU whose own schema has been recorded: how to plan for it, and what it has against a command. */
export interface RecordedQemu {
  readonly version: string
  readonly hypervisor: Hypervisor
  readonly problemsOf: (plan: Plan) => ReadonlyArray<Problem>
  readonly problemsOfCommand: (command: QmpCommand) => ReadonlyArray<Problem>
}

const recorded = (version: string): RecordedQemu => {
  const file = new URL(`../fixtures/qmp-schema/qemu-${version}.json`, import.meta.url)
  const reply: unknown = JSON.parse(readFileSync(file, 'utf8'))
  const schema = decodeQmpSchema(reply)
  const validate = qmpValidator(reply)
  if (E.isLeft(schema) || E.isLeft(validate)) throw new Error(`no schema of ${version}`)
  return {
    version,
    hypervisor: {
      via: 'qmp',
      guest: 'running',
      capabilities: withSchema(capabilitiesOfVersions({ qemu: version }), schema.right),
    },
    problemsOfCommand: validate.right,
    problemsOf: (plan) => plan.steps.flatMap(({ call }) => (call._tag === 'Qmp' ? validate.right(call.command) : [])),
  }
}

/** Every QEMU that is supported and whose `query-qmp-schema` has been recorded, the oldest first. */
export const recordedQemus: ReadonlyArray<RecordedQemu> = ['7.2', '10.0'].map(recorded)
