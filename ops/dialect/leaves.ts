/** A step into a tree: the name of a member, or the index of an element. */
export type TreeStep = string | number

/** The values that were seen at one place of several trees. */
export interface Leaf {
  readonly steps: readonly TreeStep[]
  /** The trees that have it, by index. */
  readonly trees: ReadonlySet<number>
  readonly types: ReadonlySet<'number' | 'number as text' | 'text' | 'boolean' | 'null'>
  /** Of numbers and of numbers as text; undefined if there are none. */
  readonly numbers: { readonly minimum: number; readonly maximum: number } | undefined
  /** The first few, with the index of their tree. */
  readonly values: readonly { readonly tree: number; readonly value: unknown }[]
}

const MOST_DEPTH = 8
const MOST_LEAVES = 1_000
const MOST_VALUES = 50
/** Beyond it an array is a waveform or a picture, and not members by number. */
const MOST_ELEMENTS = 4
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

type Types = Leaf['types'] extends ReadonlySet<infer Type> ? Type : never
interface Collected {
  readonly steps: readonly TreeStep[]
  readonly trees: Set<number>
  readonly types: Set<Types>
  readonly values: Leaf['values'][number][]
  minimum: number
  maximum: number
}

/** All that is no object and no array, in the order in which it comes. */
export function leavesOf(trees: readonly unknown[]): readonly Leaf[] {
  const found = new Map<string, Collected>()
  for (const [index, tree] of trees.entries()) walk(tree, [], index, found)
  return [...found.values()].map(({ minimum, maximum, ...leaf }) => ({
    ...leaf,
    numbers: minimum <= maximum ? { minimum, maximum } : undefined,
  }))
}

function walk(value: unknown, steps: readonly TreeStep[], tree: number, found: Map<string, Collected>): void {
  if (Array.isArray(value)) {
    if (steps.length < MOST_DEPTH)
      for (const [index, each] of value.slice(0, MOST_ELEMENTS).entries()) walk(each, [...steps, index], tree, found)
  } else if (isTree(value)) {
    if (steps.length < MOST_DEPTH) for (const [name, each] of Object.entries(value)) walk(each, [...steps, name], tree, found)
  } else note(value, steps, tree, found)
}

function note(value: unknown, steps: readonly TreeStep[], tree: number, found: Map<string, Collected>): void {
  const key = JSON.stringify(steps)
  let leaf = found.get(key)
  if (leaf === undefined) {
    if (found.size >= MOST_LEAVES) return
    leaf = { steps, trees: new Set(), types: new Set(), values: [], minimum: Number.POSITIVE_INFINITY, maximum: Number.NEGATIVE_INFINITY }
    found.set(key, leaf)
  }
  leaf.trees.add(tree)
  if (leaf.values.length < MOST_VALUES) leaf.values.push({ tree, value })
  const number = numberOf(value)
  leaf.types.add(typeOf(value, number))
  if (number === undefined) return
  leaf.minimum = Math.min(leaf.minimum, number)
  leaf.maximum = Math.max(leaf.maximum, number)
}

function typeOf(value: unknown, number: number | undefined): Types {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'boolean') return 'boolean'
  return number === undefined ? 'text' : typeof value === 'string' ? 'number as text' : 'number'
}

/** A number, or a text that is one. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value)
  const number = typeof value === 'number' ? value : typeof value === 'string' && NUMBER.test(value) ? Number(value) : Number.NaN
  return Number.isFinite(number) ? number : undefined
}

/** Whether it is an object with members, as codecs make them. */
export function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

/** A path of a dialect: `$.a[0]['c d']`. */
export function pathText(from: '$' | '@', steps: readonly TreeStep[]): string {
  return steps.reduce<string>((path, step) => {
    if (typeof step === 'number') return `${path}[${step}]`
    if (/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(step)) return `${path}.${step}`
    return `${path}['${step.replace(/[\\']/g, '\\$&')}']`
  }, from)
}

/** Names of the members on the way, without indexes. */
export function namesOf(steps: readonly TreeStep[]): readonly string[] {
  return steps.filter((step): step is string => typeof step === 'string')
}
