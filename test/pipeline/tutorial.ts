/** A step of a tutorial in Markdown. */
export type Step =
  /** Commands for one shell, and what they show, if the tutorial says so. */
  | { readonly tag: 'run'; readonly line: number; readonly commands: string; readonly shows?: string }
  | { readonly tag: 'write'; readonly line: number; readonly file: string; readonly text: string }
  | { readonly tag: 'edit'; readonly line: number; readonly file: string; readonly old: string; readonly new: string }

interface Block {
  readonly line: number
  readonly kind: string
  readonly text: string
  /** What is written between the block before and this one. */
  readonly before: string
}

const EDIT = /In `([^`]+)`, replace$/
const WRITE = /File `([^`]+)`[^\n]*:$/

/**
 * The steps of a tutorial, in their order. A block `sh` is run; a block `text` directly after it is
 * what it shows; "In `file`, replace", a block, "by" and another block are an edit; "File `file`:"
 * and a block are a file.
 * @throws Error that names the line of a block that is none of these
 */
export function tutorialSteps(markdown: string): readonly Step[] {
  const steps: Step[] = []
  const all = blocks(markdown)
  for (let at = 0; at < all.length; at++) {
    const { line, kind, text, before } = all[at] as Block
    const next = all[at + 1]
    const file = EDIT.exec(before)?.[1]
    const written = WRITE.exec(before)?.[1]
    if (file !== undefined && next?.before === 'by' && next.kind === kind) {
      steps.push({ tag: 'edit', line, file, old: text, new: next.text })
      at++
    } else if (written !== undefined) {
      steps.push({ tag: 'write', line, file: written, text })
    } else if (file === undefined && kind === 'sh') {
      const shows = next?.kind === 'text' && next.before === '' ? next.text : undefined
      steps.push({ tag: 'run', line, commands: text, ...(shows === undefined ? {} : { shows }) })
      if (shows !== undefined) at++
    } else
      throw new Error(`line ${line}: a block ${JSON.stringify(kind)} that is neither a command, nor its output, nor a file, nor an edit`)
  }
  return steps
}

function blocks(markdown: string): readonly Block[] {
  const found: Block[] = []
  let open: { readonly line: number; readonly kind: string; readonly before: string; text: string } | undefined
  let before: string[] = []
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^```(.*)$/.exec(line)
    if (fence === null) {
      if (open !== undefined) open.text += `${line}\n`
      else before.push(line)
      // Code that is indented would be shown, and not be run.
      if (open === undefined && /^ {4}/.test(line)) throw new Error(`line ${index + 1}: expected code in a block with a kind`)
    } else if (open === undefined) {
      open = { line: index + 1, kind: fence[1] as string, before: before.join('\n').trim(), text: '' }
    } else {
      found.push(open)
      open = undefined
      before = []
    }
  }
  if (open !== undefined) throw new Error(`line ${open.line}: the block has no end`)
  return found
}

/** Makes of outputs, shown and real, what must be the same: times and places of records are not. */
export function comparable(output: string): string {
  return output
    .replace(/"partition":\d+,"offset":\d+/g, '"partition":P,"offset":O')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME')
    .replace(/"ts":\d{16}\b/g, '"ts":MICROS')
    .replace(/[ \t]+$/gm, '')
    .trim()
}
