/**
 * Paths of dialects: the child part of RFC 9535, from the message (`$`) or from the record (`@`),
 * as in `$.a.b[0]['c d'].*`. In addition `.{name}` takes a member and keeps its name; if the name
 * has a value already, from the topic or from a place to the left, it takes the member of that
 * name. Unlike RFC 9535, `[*]` takes elements of arrays only, and `.*` both elements and members.
 */
export interface Path {
  readonly text: string
  readonly from: '$' | '@'
  readonly steps: readonly Step[]
}

export type Step =
  | { readonly kind: 'member'; readonly name: string }
  | { readonly kind: 'element'; readonly index: number }
  | { readonly kind: 'capture'; readonly name: string }
  | { readonly kind: 'all' }
  | { readonly kind: 'elements' }

/**
 * Text with captures of a topic or a path in it, `{gateway}-{tag}`, or with values, `{$.model}`.
 */
export interface Template {
  readonly text: string
  readonly parts: readonly TemplatePart[]
}

export type TemplatePart = { readonly literal: string } | { readonly capture: string } | { readonly path: Path }

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y
/** RFC 9535 has fewer characters in a name without quotation marks; what is meant is clear. */
const SHORTHAND = /[^\s.[\]{}*'"()?@$,\\]+/y
const INDEX = /-?\d{1,9}/y

/** @throws RangeError that says what was expected */
export function parsePath(text: string): Path {
  const fail = (expected: string): never => {
    throw new RangeError(`expected ${expected} in the path`)
  }
  const from = text[0]
  if (from !== '$' && from !== '@') return fail('$ (the message) or @ (the record) at the beginning')
  const steps: Step[] = []
  let at = 1
  const take = (pattern: RegExp, expected: string): string => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found === undefined) return fail(`${expected} at character ${at + 1}`)
    at += found.length
    return found
  }
  const skip = (literal: string): boolean => {
    if (!text.startsWith(literal, at)) return false
    at += literal.length
    return true
  }
  const capture = (): Step => {
    const name = take(NAME, 'a name in braces')
    return skip('}') ? { kind: 'capture', name } : fail(`} at character ${at + 1}`)
  }
  const bracket = (): Step => {
    if (skip('*')) return { kind: 'elements' }
    if (skip('{')) return capture()
    if (text[at] === "'" || text[at] === '"') return { kind: 'member', name: quoted() }
    if (text[at] === '?') return fail("no filter (a rule's `when` does it)")
    return { kind: 'element', index: Number(take(INDEX, 'an index, * or a name in quotation marks')) }
  }
  const quoted = (): string => {
    const quote = text[at++]
    let name = ''
    while (at < text.length && text[at] !== quote) {
      if (text[at] === '\\') at++
      name += text[at++] ?? ''
    }
    if (text[at++] !== quote) fail(`${quote} at its end`)
    return name
  }
  while (at < text.length) {
    if (skip('[')) {
      steps.push(bracket())
      if (!skip(']')) fail(text[at] === ':' ? 'no slice' : `] at character ${at + 1}`)
    } else if (skip('.')) {
      if (text[at] === '.') fail('no .. (each level by its name, or .*)')
      if (skip('*')) steps.push({ kind: 'all' })
      else if (skip('{')) steps.push(capture())
      else steps.push({ kind: 'member', name: take(SHORTHAND, 'a name, * or {name}') })
    } else fail(`. or [ at character ${at + 1}`)
  }
  return { text, from, steps }
}

/** Whether a text is meant as a path and not as a template. */
export function isPath(text: string): boolean {
  return /^[$@](?:$|[.[])/.test(text)
}

/** @throws RangeError that says what was expected */
export function parseTemplate(text: string): Template {
  const parts = text
    .split(/(\{[^{}]*\})/)
    .filter((part) => part !== '')
    .map((part): TemplatePart => {
      if (!part.startsWith('{') && !/[{}]/.test(part)) return { literal: part }
      const inner = /^\{(.*)\}$/.exec(part)?.[1]
      if (inner !== undefined && isPath(inner)) return { path: parsePath(inner) }
      if (inner === undefined || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(inner))
        throw new RangeError('expected names or paths in braces, as in {device} or {$.id}, and no other braces')
      return { capture: inner }
    })
  return { text, parts }
}

/** Whether a path leads to one place at most, once its captures have values. */
export function isSingular(path: Path, bound: ReadonlySet<string>): boolean {
  return path.steps.every(
    ({ kind, ...step }) => kind !== 'all' && kind !== 'elements' && (!('name' in step) || kind !== 'capture' || bound.has(step.name)),
  )
}

/** The captures that the steps of a path name, in their order. */
export function capturesOf(path: Path): readonly string[] {
  return path.steps.flatMap((step) => (step.kind === 'capture' ? [step.name] : []))
}
