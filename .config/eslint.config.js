import { builtinModules } from 'node:module'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

const root = fileURLToPath(new URL('..', import.meta.url))

// ---- our own rules: small enough to stand here ----

/** An eslint-disable comment says why: `// eslint-disable-next-line rule -- the reason`. */
const disableWithReason = {
  meta: { type: 'problem', schema: [] },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        const directive = /^\s*eslint-disable(-next-line|-line)?\b(.*)$/s.exec(comment.value)
        if (directive === null) continue
        const [rules, reason] = directive[2].split(/\s-{2,}\s/)
        if (rules.trim() === '') context.report({ loc: comment.loc, message: 'Name the rule that is disabled.' })
        if (!reason?.trim()) context.report({ loc: comment.loc, message: 'Say why: `-- the reason`.' })
      }
    },
  }),
}

const house = { rules: { 'disable-with-reason': disableWithReason } }

// ---- what each rule of STYLE.md and DESIGN.md looks like as syntax ----

const moduleShape = [
  { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
  { selector: 'ExportSpecifier[exported.name="default"]', message: 'No default exports.' },
  { selector: 'ExportAllDeclaration', message: 'No `export *`: name what is exported.' },
  { selector: 'TSEnumDeclaration', message: 'No enum: use a union of string literals.' },
]

const sourceShape = [
  ...moduleShape,
  { selector: 'ClassDeclaration, ClassExpression', message: 'No classes: a value is a plain readonly record.' },
  { selector: 'ImportExpression', message: 'No dynamic import: it is I/O.' },
  {
    selector: 'ExportNamedDeclaration > TSInterfaceDeclaration > TSInterfaceBody > TSPropertySignature[readonly!=true]',
    message: 'Fields of what is exported are readonly.',
  },
  {
    selector: 'ExportNamedDeclaration > TSInterfaceDeclaration TSPropertySignature > TSTypeAnnotation > TSArrayType',
    message: 'Fields of what is exported hold ReadonlyArray, not a mutable array.',
  },
  { selector: 'TSInterfaceDeclaration[id.name=/^I[A-Z][a-z]/]', message: 'No `I` prefix.' },
]

const throwsOnlyUnreachable = {
  selector:
    'ThrowStatement:not([argument.type="NewExpression"][argument.callee.name="Error"][argument.arguments.0.value=/^unreachable: /])' +
    ':not([argument.type="NewExpression"][argument.callee.name="Error"][argument.arguments.0.quasis.0.value.raw=/^unreachable: /])',
  message: 'Throw only for a bug of ours: `throw new Error("unreachable: ...")`. Everything else is a typed refusal.',
}

const outsideGlobals = [
  ...['process', 'Buffer', 'global', 'globalThis', 'require', 'module', 'exports', '__dirname', '__filename'],
  ...['console', 'crypto', 'performance', 'navigator', 'window', 'self', 'document', 'localStorage', 'Date', 'Intl'],
  ...['fetch', 'XMLHttpRequest', 'WebSocket', 'Worker', 'SharedArrayBuffer', 'Atomics', 'eval', 'Function'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'WeakRef', 'FinalizationRegistry'],
].map((name) => ({ name, message: 'src is pure: no clock, no randomness, no environment, no I/O.' }))

const outsideProperties = [
  { object: 'Math', property: 'random', message: 'src is pure: no randomness.' },
  ...['localeCompare', 'toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase'].map((property) => ({
    property,
    message: 'src is pure: the locale is environment.',
  })),
]

// ---- imports: what each folder may import from outside the package; dependency-cruiser checks the rest ----

const fpTs = {
  regex: '^fp-ts(?!/lib/\\w+\\.js$)',
  message: 'Import fp-ts/lib/X.js: anything else dies in native Node ESM.',
}
const ioTsPath = {
  regex: '^io-ts/(?!lib/\\w+\\.js$)',
  message: 'Import io-ts or io-ts/lib/X.js: anything else dies in native Node ESM.',
}
const builtins = {
  regex: `^(node:.*|(${builtinModules.filter((name) => !name.startsWith('_')).join('|')})(/.*)?)$`,
  message: 'src is pure: no Node modules.',
}

/** The one folder that imports each package. */
const homes = {
  'compare-versions': 'src/call',
  'io-ts': 'src/codec',
  '@rgrove/parse-xml': 'src/codec',
  'fast-check': 'src/testing',
}

/** Restricts imports of `src` to the package's own files and the named packages. */
const importsOnly = (...packages) => {
  const known = ['\\.{1,2}/', 'node:', 'fp-ts', ...Object.keys(homes)]
  const elsewhere = Object.entries(homes)
    .filter(([name]) => !packages.includes(name))
    .map(([name, folder]) => ({
      regex: `^${name}(/|$)`,
      message: `${name} is imported in ${folder} and nowhere else.`,
    }))
  const unknown = { regex: `^(?!${known.join('|')})`, message: 'src imports no other package.' }
  return ['error', { patterns: [fpTs, ioTsPath, builtins, unknown, ...elsewhere] }]
}

const sourceRules = {
  '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
  '@typescript-eslint/no-non-null-assertion': 'error',
  '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
  '@typescript-eslint/no-shadow': 'error',
  'no-restricted-imports': importsOnly(),
  'no-restricted-globals': ['error', ...outsideGlobals],
  'no-restricted-properties': ['error', ...outsideProperties],
  'no-restricted-syntax': ['error', ...sourceShape, throwsOnlyUnreachable],
  'no-param-reassign': 'error',
  'max-lines': ['error', { max: 300 }],
  'max-lines-per-function': ['error', { max: 30, skipComments: true }],
  'max-params': ['error', { max: 3 }],
  'max-depth': ['error', { max: 4 }],
  complexity: ['error', { max: 15 }],
}

const neverSkipped = [
  {
    selector:
      'MemberExpression[object.name=/^(it|test|describe|suite)$/][property.name=/^(skip|only|todo|skipIf|runIf|fails)$/]',
    message: 'No test is skipped or singled out.',
  },
]

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'node_modules/', 'test/docs/.generated/', 'test/package/consumer/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{js,mjs,cjs,ts,mts,cts}'],
    plugins: { house },
    rules: { 'house/disable-with-reason': 'error', eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      '@typescript-eslint/no-explicit-any': ['error', { fixToUnknown: false }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: false, requireDefaultForNonUnion: true },
      ],
      'no-restricted-syntax': ['error', ...moduleShape, ...neverSkipped],
    },
  },
  { files: ['src/**/*.ts'], rules: sourceRules },
  { files: ['src/call/**/*.ts'], rules: { 'no-restricted-imports': importsOnly('compare-versions') } },
  { files: ['src/codec/**/*.ts'], rules: { 'no-restricted-imports': importsOnly('io-ts', '@rgrove/parse-xml') } },
  {
    files: ['src/testing/**/*.ts'],
    rules: {
      'no-restricted-imports': importsOnly('fast-check'),
      'no-restricted-syntax': ['error', ...sourceShape], // a law that fails throws: that is what a test framework reads
    },
  },
  {
    files: [
      'src/**/{utils,util,types,helpers,helper,common,misc}.ts',
      'src/{content,model,call,plan,operation,render}/**/index.ts',
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'Program', message: 'Name the file by its noun; no barrel in each folder.' },
      ],
    },
  },
  { files: ['.config/*.ts'], rules: { 'no-restricted-syntax': 'off' } },
)
