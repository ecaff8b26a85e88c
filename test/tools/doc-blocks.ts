import ts from 'typescript'

/** One TypeScript example of the documentation. */
export interface Block {
  readonly source: string
  readonly line: number
  readonly code: string
  /** The line of its file on which the code begins. */
  readonly codeLine: number
  /** `run`: a test of its own; `continued`: a test that goes on after the block before it; `no-run`: compiled only. */
  readonly mode: 'run' | 'continued' | 'no-run'
}

const fence = /^(\s*)(`{3,}|~{3,})\s*([\w-]*)\s*(.*)$/

const modeOf = (meta: string, place: string): Block['mode'] => {
  if (meta === '') return 'run'
  if (meta === 'continued' || meta === 'no-run') return meta
  throw new Error(`${place}: a ts block is marked "continued", "no-run" or nothing, not "${meta}"`)
}

/** The `ts` blocks of a Markdown text whose first line is line `first` of its file. */
export const blocksOfMarkdown = (source: string, text: string, first = 1): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  const lines = text.split(/\r?\n/)
  for (let at = 0; at < lines.length; at++) {
    const opening = fence.exec(lines[at] ?? '')
    if (opening === null) continue
    const [, indent = '', marks = '', language = '', meta = ''] = opening
    const line = first + at
    const code: Array<string> = []
    for (at++; at < lines.length && (lines[at] ?? '').trim() !== marks; at++) {
      const row = lines[at] ?? ''
      code.push(row.startsWith(indent) ? row.slice(indent.length) : row.trimStart())
    }
    if (at >= lines.length) throw new Error(`${source}:${line}: the block is not closed`)
    if (/^(js|javascript|typescript|tsx|mjs|mts)$/.test(language)) {
      throw new Error(`${source}:${line}: write \`\`\`ts, so that the block is compiled and run`)
    }
    if (language === 'ts') {
      const mode = modeOf(meta.trim(), `${source}:${line}`)
      blocks.push({ source, line, code: code.join('\n'), codeLine: line + 1, mode })
    }
  }
  return blocks
}

/** The texts of a docstring's `@example` tags, each with the line of its first line. */
const examplesOf = (
  comment: string,
  first: number,
): ReadonlyArray<{ readonly line: number; readonly text: string }> => {
  const lines = comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s*\* ?/, ''))
  const examples: Array<{ line: number; rows: Array<string> }> = []
  let open: { line: number; rows: Array<string> } | undefined
  for (const [index, line] of lines.entries()) {
    const tag = /^\s*@(\w+)(.*)$/.exec(line)
    if (tag === null) open?.rows.push(line)
    else if (tag[1] !== 'example') open = undefined
    else {
      open = { line: first + index, rows: [(tag[2] ?? '').trim()] }
      examples.push(open)
    }
  }
  return examples.map(({ line, rows }) => ({ line, text: rows.join('\n') }))
}

const docComments = (
  text: string,
  file: ts.SourceFile,
): ReadonlyArray<{ readonly pos: number; readonly text: string }> => {
  const found = new Map<number, string>()
  const visit = (node: ts.Node): void => {
    for (const doc of ts.getJSDocCommentsAndTags(node)) {
      if (ts.isJSDoc(doc)) found.set(doc.pos, text.slice(doc.pos, doc.end))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return [...found].map(([pos, comment]) => ({ pos, text: comment })).sort((a, b) => a.pos - b.pos)
}

/** The `@example` blocks of a source file: the fenced `ts` blocks of a tag, or else the whole tag. */
export const blocksOfSource = (source: string, text: string): ReadonlyArray<Block> => {
  const file = ts.createSourceFile(source, text, ts.ScriptTarget.Latest, true)
  return docComments(text, file).flatMap((comment) => {
    const first = file.getLineAndCharacterOfPosition(comment.pos).line + 1
    return examplesOf(comment.text, first).flatMap((example): ReadonlyArray<Block> => {
      if (example.text.includes('```')) return blocksOfMarkdown(source, example.text, example.line)
      return [{ source, line: example.line, code: example.text, codeLine: example.line, mode: 'run' }]
    })
  })
}
