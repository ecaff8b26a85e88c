export { arbitraryLayer } from './layer.js'
export type { LayerOptions } from './layer.js'
export { arbitraryChain } from './chain.js'
export type { ChainOptions, FilledChain } from './chain.js'
export {
  arbitraryAddOverlayRequest,
  arbitraryCommitRequest,
  arbitraryCopyRequest,
  arbitraryPoints,
  arbitraryPullRequest,
  arbitraryRenameRequest,
} from './request.js'
export { assertPlanKeepsContent } from './law.js'
export { assertPlanSimulates, assertPlanSurvivesKill, simulate } from './simulated.js'
export type { Meanwhile } from './simulated.js'
export { arbitraryMachine } from './machine.js'
export type { FilledMachine, MachineContents, MachineOptions } from './machine.js'
export { machineContentsAfter } from './machine-contents.js'
export {
  arbitraryChainRequest,
  arbitraryDeleteRequest,
  arbitraryExportRequest,
  arbitraryExtractRequest,
  arbitraryForgetRequest,
  arbitraryRenameImageRequest,
  arbitraryRevertRequest,
  arbitraryTakeRequest,
} from './machine-request.js'
export { arbitraryDropRequest, arbitraryRestoreRequest, arbitrarySaveRequest } from './saved-request.js'
export { assertMachinePlanKeepsContent } from './machine-law.js'
export { assertMachinePlanSimulates } from './machine-simulated.js'
export type { MachineMeanwhile } from './machine-simulated.js'
export { assertMachineSurvivesKill } from './machine-kill.js'
