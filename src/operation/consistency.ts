import type { Machine } from '../model/machine.js'
import { isMidway } from '../model/saved-state.js'
import type { Consistency } from '../plan/machine-plan.js'

/** What disks alone are good for, as they are at one moment, whose file systems are frozen then or not. */
export const diskConsistency = ({ state, saved }: Machine, freeze: 'no' | 'prefer' | 'require'): Consistency => {
  if (state === 'shut-off') return isMidway(saved) ? 'crash' : 'clean'
  if (freeze === 'no') return 'crash'
  return freeze === 'require' ? 'quiesced' : 'quiesced or crash'
}
