// Properties run from one seed, so that a run of CI can be had again; FC_SEED=<number> searches elsewhere.

import * as fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20261126) })
