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
} from './request.js'
export { assertPlanKeepsContent } from './law.js'
export { assertPlanSimulates, assertPlanSurvivesKill, simulate } from './simulated.js'
export type { Meanwhile } from './simulated.js'
