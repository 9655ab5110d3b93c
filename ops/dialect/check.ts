import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { CompiledDialect } from '../../processors/translate/translation.ts'
import { DialectError } from '../../schemas/dialect.ts'
import { differences, type Example, ExampleError, parseExample } from './example.ts'
import { type DialectFile, dialectFiles, exampleFiles, loadDialect, shownPath } from './files.ts'

/** What a check found: a line for each file. */
export interface CheckReport {
  readonly lines: readonly string[]
  readonly passed: number
  readonly failed: number
}

/**
 * Reads each dialect, and compares what it makes of the examples beside it with what must come of
 * them.
 */
export function checkDialects(files: readonly DialectFile[]): CheckReport {
  const lines: string[] = []
  let [passed, failed] = [0, 0]
  const say = (what: string, problems: readonly string[]): void => {
    if (problems.length === 0) passed++
    else failed++
    lines.push(`${problems.length === 0 ? 'ok    ' : 'FAILED'}  ${what}`, ...problems.map((problem) => `          ${problem}`))
  }
  const known = new Map<string, Example | string>()
  const owners = new Map<string, string>()
  for (const file of files) {
    const loaded = load(file)
    if (loaded instanceof DialectError) {
      say(shownPath(file.path), loaded.message.split('\n'))
      continue
    }
    const owner = owners.get(loaded.name)
    const twice =
      owner === undefined || owner === file.path
        ? []
        : [`there is another dialect ${loaded.name}, in ${shownPath(owner)}: expected a name of its own`]
    owners.set(loaded.name, owner ?? file.path)
    const isSite = Object.keys(file.site).length > 0
    say(`${shownPath(file.path)}: ${loaded.name}, version ${loaded.version}${isSite ? ', as the configuration uses it' : ''}`, twice)
    // With topics of a site the examples' own are others.
    if (isSite) continue
    const examples = exampleFiles(file.path).map((path) => ({ path, example: read(path, known) }))
    for (const { path, example } of examples)
      if (typeof example !== 'string' && example.dialect === loaded.name) say(`  ${shownPath(path)}`, differences(loaded, example))
    if (!examples.some(({ example }) => typeof example !== 'string' && example.dialect === loaded.name))
      lines.push('          no example beside it')
  }
  for (const [path, example] of known) {
    if (typeof example === 'string') say(shownPath(path), example.split('\n'))
    // If only some files of a folder are checked, the examples of the others are theirs.
    else if (!owners.has(example.dialect) && isWholeFolder(path, files))
      say(shownPath(path), [`there is no dialect ${example.dialect} beside it: there is ${[...owners.keys()].join(', ')}`])
  }
  return { lines, passed, failed }
}

function isWholeFolder(example: string, files: readonly DialectFile[]): boolean {
  const folder = dirname(dirname(example))
  const checked = new Set(files.map(({ path }) => resolve(path)))
  return dialectFiles([folder]).every(({ path }) => checked.has(resolve(path)))
}

function load(file: DialectFile): CompiledDialect | DialectError {
  try {
    return loadDialect(file)
  } catch (cause) {
    if (!(cause instanceof DialectError)) throw cause
    return cause
  }
}

/** An example, or what is wrong with it. Several dialects of a folder share its examples. */
function read(path: string, known: Map<string, Example | string>): Example | string {
  let example = known.get(path)
  if (example === undefined) {
    try {
      example = parseExample(readFileSync(path, 'utf8'), shownPath(path))
    } catch (cause) {
      if (!(cause instanceof ExampleError)) throw cause
      example = cause.message
    }
    known.set(path, example)
  }
  return example
}
