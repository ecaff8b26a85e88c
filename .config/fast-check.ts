// Properties run from one seed, so that a run of CI can be had again; FC_SEED=<number> searches elsewhere. A failure is reported as
// it was found, with its seed and path: to make a machine smaller can take hours, so that is done when asked for, with FC_SHRINK=1.

import * as fc from 'fast-check'

fc.configureGlobal({
  seed: Number(process.env['FC_SEED'] ?? 20261126),
  endOnFailure: process.env['FC_SHRINK'] === undefined,
})
