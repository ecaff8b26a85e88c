// The floor plan of DESIGN.md section 5: each folder of src imports only folders above it.

const floors = ['content', 'model', 'call', 'plan', 'operation', 'simulate', 'codec', 'render', 'testing']

/** Where a folder may not go although it lies above. */
const apart = { simulate: ['operation', 'plan'] }

const allowedFrom = (floor) =>
  floors.slice(0, floors.indexOf(floor) + 1).filter((above) => !(apart[floor] ?? []).includes(above))

const floorRule = (floor) => ({
  name: `floor-plan-${floor}`,
  comment: `src/${floor} imports only: ${allowedFrom(floor).join(', ')}.`,
  severity: 'error',
  from: { path: `^src/${floor}/` },
  to: { path: '^src/', pathNot: `^src/(${allowedFrom(floor).join('|')})/` },
})

module.exports = {
  forbidden: [
    ...floors.map(floorRule),
    {
      name: 'floor-plan-unknown-folder',
      comment: `src holds index.ts, README.md and these folders: ${floors.join(', ')}.`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(index\\.ts$|(${floors.join('|')})/)` },
      to: {},
    },
    {
      name: 'main-entry-without-fast-check',
      comment: 'fast-check is an optional peer of backing-chain/testing only.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/testing/' },
      to: { path: '(^src/testing/|node_modules/fast-check/)' },
    },
    {
      name: 'no-cycle',
      comment: 'Types count too.',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    { name: 'no-node-module', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['core'] } },
    {
      name: 'no-undeclared-package',
      comment: 'Each package that src imports is a dependency or a peer dependency.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: 'node_modules|^[^.]', pathNot: '^src/', dependencyTypesNot: ['npm', 'npm-peer', 'core'] },
    },
    { name: 'no-unresolved', severity: 'error', from: { path: '^src/' }, to: { couldNotResolve: true } },
    {
      name: 'no-orphan',
      comment: 'A file that nobody imports and that is no entry is dead.',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: '^src/((codec|simulate|testing)/)?index\\.ts$' },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default'] },
  },
}
