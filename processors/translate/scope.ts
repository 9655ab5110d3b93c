import type { Path, Step } from '../../schemas/dialect-path.ts'
import { MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import type { Captures } from '../../schemas/topic-pattern.ts'

/** Where a record is in its message: a list from the inside out. */
export interface Place {
  readonly up: Place | undefined
  readonly key: string | number
}

/** What paths and texts are about: one record of one message. It is changed for the next one. */
export interface Scope {
  readonly root: unknown
  readonly record: unknown
  /** Where the record is; undefined for the message itself. */
  readonly place: Place | undefined
  /** Captures of the topic, and of the path that led to the record. */
  readonly names: Captures
}

export interface DialectRecord {
  readonly node: unknown
  readonly place: Place | undefined
  readonly names: Captures
  /** The array or object that it is in; undefined for the message itself. */
  readonly within: unknown
}

/** What a path leads to; undefined if there is nothing. */
export type Read = (scope: Scope) => unknown

/** Compiles a path that leads to one place at most. */
export function compilePath(path: Path): Read {
  const steps = path.steps.map(compileStep)
  const [first, second] = steps
  const fromRoot = path.from === '$'
  if (first === undefined) return fromRoot ? (scope) => scope.root : (scope) => scope.record
  if (second === undefined) return fromRoot ? (scope) => first(scope.root, scope.names) : (scope) => first(scope.record, scope.names)
  return (scope) => {
    let node = fromRoot ? scope.root : scope.record
    for (const step of steps) {
      node = step(node, scope.names)
      if (node === undefined) return undefined
    }
    return node
  }
}

function compileStep(step: Step): (node: unknown, names: Captures) => unknown {
  switch (step.kind) {
    case 'member': {
      const { name } = step
      return (node) => member(node, name)
    }
    case 'element': {
      const { index } = step
      return (node) => (Array.isArray(node) ? node.at(index) : undefined)
    }
    case 'capture': {
      const { name } = step
      return (node, names) => named(node, names[name])
    }
    case 'all':
    case 'elements':
      throw new RangeError(`a path to one place has no ${step.kind}`)
  }
}

function member(node: unknown, name: string): unknown {
  return typeof node === 'object' && node !== null && Object.hasOwn(node, name) && !Array.isArray(node)
    ? (node as Readonly<Record<string, unknown>>)[name]
    : undefined
}

function named(node: unknown, name: string | undefined): unknown {
  if (name === undefined) return undefined
  if (!Array.isArray(node)) return member(node, name)
  return /^(?:0|[1-9]\d{0,8})$/.test(name) ? node[Number(name)] : undefined
}

/** The message has more records than are taken. */
export class TooManyRecords extends Error {
  constructor() {
    super(`expected at most ${MOST_SAMPLES} records in a message, got more`)
  }
}

/**
 * Compiles a path to records. What it gives hands each record to `take`, in the order of the
 * message.
 * @param bound captures that have a value already: a step with one takes the member of that name
 */
export function compileEach(
  path: Path,
  bound: ReadonlySet<string>,
): (root: unknown, names: Captures, take: (record: DialectRecord) => void) => void {
  const known = new Set(bound)
  const steps = path.steps.map((step) => {
    const free = step.kind === 'capture' && !known.has(step.name)
    if (step.kind === 'capture') known.add(step.name)
    return { step, free }
  })
  return (root, captures, take) => {
    let left = MOST_SAMPLES
    walk(root, 0, undefined, captures, undefined)

    function walk(node: unknown, at: number, place: Place | undefined, names: Captures, within: unknown): void {
      const next = steps[at]
      if (next === undefined) {
        if (--left < 0) throw new TooManyRecords()
        take({ node, place, names, within })
        return
      }
      const { step, free } = next
      const enter = (child: unknown, key: string | number, inner: Captures): void => {
        if (child !== undefined) walk(child, at + 1, { up: place, key }, inner, node)
      }
      if (step.kind === 'member') enter(member(node, step.name), step.name, names)
      else if (step.kind === 'element') {
        if (Array.isArray(node)) enter(node.at(step.index), step.index < 0 ? node.length + step.index : step.index, names)
      } else if (step.kind === 'capture' && !free) enter(named(node, names[step.name]), names[step.name] ?? '', names)
      else if (Array.isArray(node)) {
        for (let index = 0; index < node.length; index++) enter(node[index], index, withName(step, index, names))
      } else if (step.kind !== 'elements' && typeof node === 'object' && node !== null) {
        for (const name of Object.keys(node)) enter((node as Readonly<Record<string, unknown>>)[name], name, withName(step, name, names))
      }
    }
  }
}

function withName(step: Step, key: string | number, names: Captures): Captures {
  if (step.kind !== 'capture') return names
  const inner = Object.assign(Object.create(null), names) as Record<string, string>
  inner[step.name] = String(key)
  return inner
}

/** A place as RFC 9535 writes it, `$['DS18B20-1'].Temperature`, for details and comparisons. */
export function placeText(place: Place | undefined): string {
  const keys: (string | number)[] = []
  for (let at = place; at !== undefined; at = at.up) keys.push(at.key)
  return `$${keys.reverse().map(keyText).join('')}`
}

/** The place that a path to one place leads to. */
export function pathPlace(path: Path, scope: Scope): string {
  const keys = path.steps.map((step): string | number => {
    if (step.kind === 'member') return step.name
    if (step.kind === 'element') return step.index
    return step.kind === 'capture' ? (scope.names[step.name] ?? '') : '*'
  })
  return `${path.from === '$' ? '$' : placeText(scope.place)}${keys.map(keyText).join('')}`
}

const MOST_KEY_CHARACTERS = 64

function keyText(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  if (/^[A-Za-z_]\w{0,63}$/.test(key)) return `.${key}`
  const short = key.length > MOST_KEY_CHARACTERS ? `${key.slice(0, MOST_KEY_CHARACTERS)}…` : key
  return `['${short.replace(/['\\]/g, '\\$&')}']`
}
