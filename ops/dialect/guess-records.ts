import { guessQuantity, type QuantityGuess } from './guess-quantity.ts'
import { groupBy, likeness } from './guess-topics.ts'
import { isTree, type Leaf, leavesOf, namesOf, numberOf, pathText, type TreeStep } from './leaves.ts'

/** Records of one kind in the messages. */
export interface RecordGuess {
  /** As in `$`, `$[*]`, `$.{part}`, `$.list[*]`. */
  readonly each: string
  /** Where the list, or the object with the parts, is. */
  readonly steps: readonly TreeStep[]
  /** What `{part}` is like, as in `DS18B20-*`; undefined: anything. */
  readonly when: string | undefined
  /** Whether `{part}` is in it: the name of each record tells them apart. */
  readonly named: boolean
  /** Whether each part is a list of records. */
  readonly lists: boolean
  readonly records: readonly FoundRecord[]
}

export interface FoundRecord {
  /** Index of the message. */
  readonly tree: number
  readonly node: unknown
  /** What `{part}` is. */
  readonly part: string | undefined
}

/** Parts have so many names in common if they are of a kind. */
const ALIKE = 0.5
const MOST_DEPTH = 3

/**
 * Where the records are: in a list, in the members of an object that are all alike, or the message
 * is one itself. Each value is in the first of them that it is in.
 */
export function guessRecords(trees: readonly unknown[]): readonly RecordGuess[] {
  const found: RecordGuess[] = []
  if (trees.some(Array.isArray)) {
    const records = trees.flatMap((node, tree) =>
      Array.isArray(node) ? node.map((each: unknown) => ({ tree, node: each, part: undefined })) : [],
    )
    found.push({ each: '$[*]', steps: [], when: undefined, named: false, lists: false, records })
  }
  const objects = trees.map((node, tree) => ({ tree, node, part: undefined })).filter(({ node }) => isTree(node))
  if (objects.length === 0) return found
  const inner = innerRecords(objects, [], trees)
  found.push(...inner)
  found.push({ each: '$', steps: [], when: undefined, named: false, lists: false, records: objects })
  return found
}

/** Lists and families of alike members, outer ones first. */
function innerRecords(objects: readonly FoundRecord[], steps: readonly TreeStep[], messages: readonly unknown[]): readonly RecordGuess[] {
  const here = families(objects, steps)
  if (here.some(({ when }) => when === undefined)) return here
  if (steps.length >= MOST_DEPTH) return []
  const members = groupBy(
    objects.flatMap(({ tree, node }) =>
      Object.entries(isTree(node) ? node : {}).map(([name, child]) => ({ tree, name, node: child, part: undefined })),
    ),
    ({ name }) => name,
  )
  const isHere = (name: string): boolean => here.some(({ when = '' }) => name.startsWith(when.slice(0, -1)))
  const inner = [...members]
    .filter(([name]) => !isHere(name))
    .flatMap(([name, children]) => {
      const place = [...steps, name]
      const lists = children.filter(({ node }) => Array.isArray(node) && node.some(isTree))
      if (lists.length > 0) return list(lists, place, messages)
      return innerRecords(
        children.filter(({ node }) => isTree(node)),
        place,
        messages,
      )
    })
  return [...here, ...inner]
}

/** A list is one of records if it says more of standard quantities than the rest of the message. */
function list(lists: readonly FoundRecord[], steps: readonly TreeStep[], messages: readonly unknown[]): readonly RecordGuess[] {
  const place = pathText('$', steps)
  const records = lists.flatMap(({ tree, node }) =>
    Array.isArray(node) ? node.map((each: unknown) => ({ tree, node: each, part: undefined })) : [],
  )
  const outside = leavesOf(messages).filter((leaf) => !pathText('$', leaf.steps).startsWith(`${place}[`))
  const pairs = records.some(({ node }) => isTree(node) && Object.keys(node).some((name) => /^(?:v|val|value)$/i.test(name)))
  if (!pairs && countQuantities(leavesOf(records.map(({ node }) => node))) <= countQuantities(outside)) return []
  return [{ each: `${place}[*]`, steps, when: undefined, named: false, lists: false, records }]
}

function countQuantities(leaves: readonly Leaf[]): number {
  return new Set(leaves.map((leaf) => quantityOf(leaf)?.quantity).filter((name) => name !== undefined)).size
}

interface Member {
  readonly tree: number
  readonly part: string
  readonly lists: boolean
  readonly records: readonly unknown[]
}

/**
 * Members that are alike, so that their names tell records apart: all of them, or those whose names
 * differ in a number only.
 */
function families(objects: readonly FoundRecord[], steps: readonly TreeStep[]): readonly RecordGuess[] {
  const members = objects.flatMap(({ tree, node }) =>
    Object.entries(isTree(node) ? node : {}).flatMap(([part, child]): readonly Member[] => {
      const records: readonly unknown[] = Array.isArray(child) ? child : [child]
      return records.length > 0 && records.every(isTree) ? [{ tree, part, lists: Array.isArray(child), records }] : []
    }),
  )
  const all = family(members, steps, undefined)
  if (all !== undefined) return [all]
  return [...groupBy(members, ({ part }) => stemOf(part))]
    .filter(([stem]) => stem !== '' && !stem.includes('*'))
    .flatMap(([stem, each]) => family(each, steps, `${stem}*`) ?? [])
}

/** A name without the number, or address, at its end. */
function stemOf(name: string): string {
  return name.replace(/(?:\d+|[0-9A-Fa-f]{4,})$/, '')
}

function family(members: readonly Member[], steps: readonly TreeStep[], when: string | undefined): RecordGuess | undefined {
  const kinds = groupBy(members, ({ part }) => part)
  if (kinds.size < 2) return undefined
  const names = [...kinds.values()].map(
    (each) => new Set(each.flatMap(({ records }) => leavesOf(records).map(({ steps: to }) => namesOf(to).join('.')))),
  )
  // Of many the first are enough, and the pairs of all would take long.
  const some = names.slice(0, 30)
  const pairs = some.flatMap((a, at) => some.slice(at + 1).map((b) => likeness(a, b)))
  if (pairs.reduce((sum, each) => sum + each, 0) / pairs.length < ALIKE) return undefined
  const lists = members.every((each) => each.lists)
  if (!lists && members.some((each) => each.lists)) return undefined
  const records = members.flatMap(({ tree, part, records: nodes }) => nodes.map((node) => ({ tree, node, part })))
  if (!hasQuantity(records)) return undefined
  return { each: `${pathText('$', steps)}.{part}${lists ? '[*]' : ''}`, steps, when, named: true, lists, records }
}

function hasQuantity(records: readonly FoundRecord[]): boolean {
  return leavesOf(records.map(({ node }) => node)).some((leaf) => quantityOf(leaf) !== undefined)
}

/** What a number among the values of records seems to be. */
export function quantityOf(leaf: Leaf, within: readonly string[] = []): QuantityGuess | undefined {
  return isNumber(leaf) ? guessQuantity([...within, ...namesOf(leaf.steps)], leaf.numbers) : undefined
}

/** Whether numbers were seen, and nothing beside them but null and words for no reading. */
export function isNumber({ types, numbers, values }: Leaf): boolean {
  if (numbers === undefined || types.has('boolean')) return false
  return (
    !types.has('text') || values.every(({ value }) => typeof value !== 'string' || numberOf(value) !== undefined || MISSING.test(value))
  )
}

/** Texts by which devices say that there is no reading. */
export const MISSING = /^(?:nan|[-+]?inf|null|none|unknown|unavailable|n\/a|-|--|)$/i
