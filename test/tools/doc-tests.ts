import ts from 'typescript'
import type { Block } from './doc-blocks.js'

/** An edit of a block: what stands in `[start, end)` becomes `text`. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** A block made ready: its imports apart, its `// =>` turned into assertions. */
interface Ready {
  readonly block: Block
  readonly imports: ReadonlyArray<Import>
  readonly body: string
  readonly assertions: number
}

interface Import {
  readonly local: string
  readonly clause: string
  readonly module: string
  readonly typeOnly: boolean
}

const arrow = /^\/\/\s*=>/

const parse = (code: string): ts.SourceFile => ts.createSourceFile('block.ts', code, ts.ScriptTarget.Latest, true)

const isExpression = (text: string): boolean => {
  const { diagnostics } = ts.transpileModule(`(${text}\n)`, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ESNext },
  })
  return text.trim() !== '' && (diagnostics ?? []).length === 0
}

const problem = (block: Block, what: string): Error => new Error(`${block.source}:${block.line}: ${what}`)

// ---- imports ----

const importsOf = (statement: ts.ImportDeclaration, block: Block): ReadonlyArray<Import> => {
  const module = (statement.moduleSpecifier as ts.StringLiteral).text
  if (module.startsWith('.')) throw problem(block, `an example imports what its reader can import, not ${module}`)
  const clause = statement.importClause
  if (clause === undefined) return [{ local: `'${module}'`, clause: '', module, typeOnly: false }]
  const whole = clause.isTypeOnly
  const imports: Array<Import> = []
  if (clause.name) imports.push({ local: clause.name.text, clause: clause.name.text, module, typeOnly: whole })
  const named = clause.namedBindings
  if (named && ts.isNamespaceImport(named)) {
    imports.push({ local: named.name.text, clause: `* as ${named.name.text}`, module, typeOnly: whole })
  }
  for (const element of named && ts.isNamedImports(named) ? named.elements : []) {
    const imported = element.propertyName?.getText() ?? element.name.text
    const local = element.name.text
    imports.push({
      local,
      clause: `{ ${imported === local ? local : `${imported} as ${local}`} }`,
      module,
      typeOnly: whole || element.isTypeOnly,
    })
  }
  return imports
}

/** The imports of all blocks of a file at its top, each name once. */
const hoisted = (blocks: ReadonlyArray<Ready>): ReadonlyArray<string> => {
  const byName = new Map<string, Import>()
  for (const { block, imports } of blocks) {
    for (const one of imports) {
      const known = byName.get(one.local)
      if (known && (known.module !== one.module || known.clause !== one.clause)) {
        const two = `"${known.clause}" of ${known.module} and "${one.clause}" of ${one.module}`
        throw problem(block, `${one.local} names two things in this file: ${two}`)
      }
      if (!known || known.typeOnly) byName.set(one.local, one)
    }
  }
  return [...byName.values()].map(({ clause, module, typeOnly }) =>
    clause === '' ? `import '${module}'` : `import ${typeOnly ? 'type ' : ''}${clause} from '${module}'`,
  )
}

// ---- assertions ----

/** The value written after `// =>`, which may go on in the comment lines below it. */
const expectedAfter = (
  code: string,
  comments: ReadonlyArray<ts.CommentRange>,
  at: number,
): { readonly value: string; readonly last: number } | undefined => {
  const texts = comments.map((comment) => code.slice(comment.pos, comment.end))
  let value = (texts[at] ?? '').replace(arrow, '').trim()
  let last = at
  while (!isExpression(value)) {
    const next = texts[++last]
    if (next === undefined || !next.startsWith('//') || arrow.test(next)) return undefined
    value += `\n${next.slice(2)}`
  }
  return { value, last }
}

/** What a statement shows: the expression, or the name that it declares. */
const shown = (statement: ts.Statement): { readonly expression: string; readonly keep: boolean } | undefined => {
  if (ts.isExpressionStatement(statement)) return { expression: statement.expression.getText(), keep: false }
  if (!ts.isVariableStatement(statement)) return undefined
  const [declaration, ...more] = statement.declarationList.declarations
  if (!declaration || more.length > 0 || !ts.isIdentifier(declaration.name)) return undefined
  return { expression: declaration.name.text, keep: true }
}

const assertionOf = (statement: ts.Statement, code: string, block: Block): Edit | undefined => {
  const after = [
    ...(ts.getTrailingCommentRanges(code, statement.end) ?? []),
    ...(ts.getLeadingCommentRanges(code, statement.end) ?? []),
  ]
  const at = after.findIndex((comment) => arrow.test(code.slice(comment.pos, comment.end)))
  if (at < 0) return undefined
  const show = shown(statement)
  const expected = expectedAfter(code, after, at)
  const line = block.codeLine + code.slice(0, statement.end).split('\n').length - 1
  if (show === undefined)
    throw problem(block, `line ${line}: "// =>" follows neither an expression nor one declared name`)
  if (expected === undefined) throw problem(block, `line ${line}: what follows "// =>" is not a TypeScript expression`)
  const start = statement.getStart()
  const kept = show.keep ? `${code.slice(start, statement.end)}; ` : ''
  const text = `${kept}__ran.add('${line}:${start}'); __expect(${show.expression}).toEqual(${expected.value});`
  return { start, end: after[expected.last]?.end ?? statement.end, text }
}

const isStatement = (node: ts.Node): node is ts.Statement =>
  ts.isSourceFile(node.parent) || ts.isBlock(node.parent) || ts.isCaseOrDefaultClause(node.parent)

const assertionsOf = (file: ts.SourceFile, block: Block): ReadonlyArray<Edit> => {
  const edits: Array<Edit> = []
  const visit = (node: ts.Node): void => {
    const edit = node !== file && isStatement(node) ? assertionOf(node, file.text, block) : undefined
    if (edit) edits.push(edit)
    else ts.forEachChild(node, visit)
  }
  visit(file)
  return edits
}

// ---- a block, a file ----

const applied = (code: string, edits: ReadonlyArray<Edit>): string =>
  [...edits]
    .sort((a, b) => b.start - a.start)
    .reduce((text, { start, end, text: put }) => text.slice(0, start) + put + text.slice(end), code)

const ready = (block: Block): Ready => {
  const file = parse(block.code)
  const declarations = file.statements.filter(ts.isImportDeclaration)
  const cut = declarations.map((node): Edit => ({ start: node.getStart(), end: node.end, text: '' }))
  const exported = file.statements.find((node) => ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(isExport))
  if (exported || file.statements.some(ts.isExportDeclaration)) throw problem(block, 'an example exports nothing')
  const asserted = block.mode === 'no-run' ? [] : assertionsOf(file, block)
  const written = block.code.split('\n').filter((line) => /\/\/\s*=>/.test(line)).length
  if (block.mode !== 'no-run' && written === 0)
    throw problem(block, 'asserts nothing: add "// => value", or mark it "no-run"')
  if (block.mode !== 'no-run' && written !== asserted.length) {
    throw problem(
      block,
      `${written - asserted.length} of its "// =>" belong to no statement (a ";" missing before "[" or "("?)`,
    )
  }
  const imports = declarations.flatMap((declaration) => importsOf(declaration, block))
  return { block, imports, body: applied(block.code, [...cut, ...asserted]).trim(), assertions: asserted.length }
}

const isExport = (modifier: ts.ModifierLike): boolean => modifier.kind === ts.SyntaxKind.ExportKeyword

const compiledOnly = ({ block, body }: Ready): string =>
  `export const line${block.line} = async () => {\n${body}\n}; // ${block.source}:${block.line}\n`

const testOf = ({ block, body, assertions }: Ready): string =>
  [
    `__test('${block.source}:${block.line}', async () => {`,
    'const __ran = new Set<string>();',
    body,
    `__expect(__ran.size, 'assertions that ran').toBe(${assertions});`,
    '});\n',
  ].join('\n')

/** A block that goes on after another, with that one before it. */
const after = (before: Ready | undefined, one: Ready): Ready => {
  if (one.block.mode !== 'continued') return one
  if (before === undefined || before.block.mode === 'no-run') throw problem(one.block, 'continues no block that runs')
  return { ...one, body: `${before.body}\n${one.body}`, assertions: before.assertions + one.assertions }
}

/** The test file of one source file's blocks. Throws an error that says where and what when a block is no test. */
export const testFile = (blocks: ReadonlyArray<Block>): { readonly tests: number; readonly text: string } => {
  const all: Array<Ready> = []
  for (const block of blocks) all.push(after(all.at(-1), ready(block)))
  const tests = all.filter(({ block }) => block.mode !== 'no-run')
  const frame = tests.length > 0 ? ["import { expect as __expect, test as __test } from 'vitest'"] : []
  const parts = all.map((one) => (one.block.mode === 'no-run' ? compiledOnly(one) : testOf(one)))
  return { tests: tests.length, text: [...frame, ...hoisted(all), '', ...parts].join('\n') }
}
