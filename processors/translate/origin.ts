import type { BytesRule, Condition, Origin, Scalar, TextChange, TextRule } from '../../schemas/dialect.ts'
import type { Path, Template } from '../../schemas/dialect-path.ts'
import { isObject } from '../../schemas/json.ts'
import { BytesFault, compileBytes } from './bytes.ts'
import { compileGlob } from './glob.ts'
import { compilePath, pathPlace, type Read, type Scope } from './scope.ts'
import { shownValue } from './shown-value.ts'

/** Compiles where a value comes from: the first that is there, and not null if another is there. */
export function compileOrigin(origin: Origin): Read {
  if (origin.kind === 'text') return compileTemplate(origin.template)
  const reads = origin.paths.map(compilePath)
  const [only] = reads
  if (only !== undefined && reads.length === 1) return only
  return (scope) => {
    let found: unknown
    for (const read of reads) {
      const value = read(scope)
      if (value !== undefined && value !== null) return value
      if (value === null) found = null
    }
    return found
  }
}

/** Undefined if a part has no value: not every topic of a dialect has every capture. */
export function compileTemplate(template: Template): (scope: Scope) => string | undefined {
  const parts = template.parts.map((part): ((scope: Scope) => string | undefined) => {
    if ('literal' in part) return () => part.literal
    if ('capture' in part) return ({ names }) => names[part.capture]
    const read = compilePath(part.path)
    return (scope) => textOf(read(scope))
  })
  const [only] = parts
  if (only !== undefined && parts.length === 1) return only
  return (scope) => {
    let text = ''
    for (const part of parts) {
      const piece = part(scope)
      if (piece === undefined) return undefined
      text += piece
    }
    return text
  }
}

/** The paths of an origin, also those in its text. */
export function pathsOf(origin: Origin): readonly Path[] {
  return origin.kind === 'paths' ? origin.paths : origin.template.parts.flatMap((part) => ('path' in part ? [part.path] : []))
}

/** Whether it is of the topic and the way to the record alone, and has no value of the message. */
export function isOfNames(origin: Origin): boolean {
  return origin.kind === 'text' && origin.template.parts.every((part) => !('path' in part))
}

/** A text, or undefined if nothing is there of which one can be made. */
export type ReadText = (scope: Scope) => string | undefined

/** More characters become neither an ID nor a name. */
const MOST_CHARACTERS = 1_000

export function compileText(rule: TextRule): ReadText {
  const alternatives = rule.map(({ origin, change }): ReadText => {
    const read = compileOrigin(origin)
    const apply = compileChange(change)
    return (scope) => {
      const text = textOf(read(scope))
      return text === undefined ? undefined : apply(text.slice(0, MOST_CHARACTERS))
    }
  })
  const [only] = alternatives
  if (only !== undefined && alternatives.length === 1) return only
  return (scope) => {
    for (const read of alternatives) {
      const text = read(scope)
      if (text !== undefined) return text
    }
    return undefined
  }
}

/** Text of a number, a truth value or a text. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : undefined
}

/** Undefined if the text has not the part that is to be taken. */
export function compileChange({ split, removePrefix, removeSuffix, replace }: TextChange): (text: string) => string | undefined {
  if (split === undefined && removePrefix.length === 0 && removeSuffix.length === 0 && replace.length === 0) return (text) => text
  return (given) => {
    let text: string | undefined = given
    if (split !== undefined) text = text.split(split.by, split.part + 1)[split.part]
    if (text === undefined) return undefined
    for (const prefix of removePrefix) {
      if (!text.startsWith(prefix)) continue
      text = text.slice(prefix.length)
      break
    }
    for (const suffix of removeSuffix) {
      if (!text.endsWith(suffix)) continue
      text = text.slice(0, -suffix.length)
      break
    }
    for (const [from, to] of replace) text = text.replaceAll(from, () => to).slice(0, MOST_CHARACTERS)
    return text
  }
}

export type Test = (scope: Scope) => boolean

/**
 * Compiles what says which of the conditions does not hold, and what is there instead; undefined if
 * all of them hold.
 */
export function explainConditions(conditions: readonly Condition[]): (scope: Scope) => string | undefined {
  const compiled = conditions.map((condition) => ({
    condition,
    test: compileCondition(condition),
    read: compileOrigin(condition.origin),
    place: originText(condition.origin),
  }))
  return (scope) => {
    const failed = compiled.find(({ test }) => !test(scope))
    return failed && `${failed.place(scope)} is ${shownValue(failed.read(scope))}, expected ${expectationOf(failed.condition)}`
  }
}

function expectationOf({ bytes, equals, in: among, exists, matches, type, not }: Condition): string {
  const parts = [
    ...(equals === undefined ? [] : [JSON.stringify(equals)]),
    ...(among === undefined ? [] : [`one of ${among.map((each) => JSON.stringify(each)).join(', ')}`]),
    ...(exists === undefined ? [] : [exists ? 'a value' : 'no value']),
    ...(matches === undefined ? [] : [matches.join(' or ')]),
    ...(type === undefined ? [] : [`type ${type.join(' or ')}`]),
  ]
  return `${not ? 'not ' : ''}${parts.join(' and ')}${bytes === undefined ? '' : ' in its bytes'}`
}

/** All of them must hold. */
export function compileConditions(conditions: readonly Condition[]): Test {
  const tests = conditions.map(compileCondition)
  const [only] = tests
  if (only === undefined) return () => true
  return tests.length === 1 ? only : (scope) => tests.every((test) => test(scope))
}

function compileCondition(condition: Condition): Test {
  const read = compileOrigin(condition.origin)
  const bytes = condition.bytes === undefined ? undefined : quietBytes(condition.bytes)
  const tests: ((value: unknown) => boolean)[] = []
  const { equals, exists, matches, type, not } = condition
  if (equals !== undefined) tests.push((value) => isSame(value, equals))
  if (condition.in !== undefined) {
    const among = condition.in
    tests.push((value) => among.some((each) => isSame(value, each)))
  }
  if (exists !== undefined) tests.push((value) => (value !== undefined && value !== null) === exists)
  if (matches !== undefined) {
    const globs = matches.map(compileGlob)
    tests.push((value) => {
      const text = textOf(value)
      return text !== undefined && globs.some((glob) => glob(text))
    })
  }
  if (type !== undefined) tests.push((value) => type.includes(typeOf(value) ?? 'null') && value !== undefined)
  return (scope) => {
    const found = read(scope)
    const value = bytes === undefined ? found : bytes(found)
    return tests.every((test) => test(value)) !== not
  }
}

/** In a condition, bytes that are not there are just another kind of message. */
function quietBytes(rule: BytesRule): (text: unknown) => unknown {
  const read = compileBytes(rule)
  return (text) => {
    try {
      return read(text)
    } catch (cause) {
      if (cause instanceof BytesFault) return undefined
      throw cause
    }
  }
}

/** A topic has texts only: values of different kinds are compared as texts. */
function isSame(value: unknown, expected: Scalar): boolean {
  return value === expected || (typeof value !== typeof expected && textOf(value) === String(expected))
}

function typeOf(value: unknown): NonNullable<Condition['type']>[number] | undefined {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'string') return 'text'
  // JSON has no infinity, but 1e999 is read as one.
  if (typeof value === 'bigint' || Number.isFinite(value)) return 'number'
  if (typeof value === 'boolean') return 'boolean'
  return isObject(value) ? 'object' : undefined
}

/**
 * What to call the origin of a value in a detail: its place in the message, or the topic's part.
 */
export function originText(origin: Origin): (scope: Scope) => string {
  if (origin.kind === 'text') return () => origin.template.text
  const reads = origin.paths.map((path) => ({ path, read: compilePath(path) }))
  return (scope) => {
    const found = reads.find(({ read }) => {
      const value = read(scope)
      return value !== undefined && value !== null
    })
    return found === undefined ? reads.map(({ path }) => path.text).join(', ') : pathPlace(found.path, scope)
  }
}
