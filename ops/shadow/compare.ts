import type { Item, Scalar } from './items.ts'

/** A field of an item that differs. Null: the field has no value there, or the writer lacks it. */
export interface FieldDifference {
  readonly item: Item
  readonly field: string
  readonly deployed: Scalar
  readonly working: Scalar
}

/** How the items of one input, or of several of one key and time, differ. */
export interface ItemDifferences {
  readonly same: number
  /** Items with at least one field that differs. */
  readonly changed: number
  readonly fields: readonly FieldDifference[]
  /** What only the working copy gives. */
  readonly added: readonly Item[]
  /** What only the deployed one gave. */
  readonly gone: readonly Item[]
}

/**
 * Pairs items that have the same name, in their order, and compares them field by field.
 * @param merges later items of the deployed one add to earlier ones of the same name, as a redrive
 *   adds the quantities that were refused; what they both have is what the last one says
 */
export function compareItems(working: readonly Item[], deployed: readonly Item[], merges: boolean): ItemDifferences {
  const fields: FieldDifference[] = []
  const added: Item[] = []
  const gone: Item[] = []
  let [same, changed] = [0, 0]
  const unpaired = byId(deployed)
  for (const [id, mine] of byId(working)) {
    const theirs = unpaired.get(id) ?? []
    unpaired.delete(id)
    const { left, rest: others } = withoutEqual(mine, theirs)
    same += mine.length - left.length
    let rest = others
    if (merges && mine.length === 1) {
      // A value that was written and then written again is what the last record says.
      if (left.length === 0) rest = []
      else if (rest.length > 1) rest = [rest.reduce(merged)]
    }
    left.forEach((item, index) => {
      const other = rest[index]
      if (other === undefined) {
        added.push(item)
        return
      }
      const found = differing(item, other)
      if (found.length === 0) same++
      else changed++
      for (const difference of found) fields.push(difference)
    })
    for (const item of rest.slice(left.length)) gone.push(item)
  }
  for (const items of unpaired.values()) for (const item of items) gone.push(item)
  return { same, changed, fields, added, gone }
}

function byId(items: readonly Item[]): Map<string, Item[]> {
  const found = new Map<string, Item[]>()
  for (const item of items) {
    const same = found.get(item.id)
    if (same === undefined) found.set(item.id, [item])
    else same.push(item)
  }
  return found
}

/** Leaves out pairs that are equal. There may be as many as a frame has samples. */
function withoutEqual(
  working: readonly Item[],
  deployed: readonly Item[],
): { readonly left: readonly Item[]; readonly rest: readonly Item[] } {
  const there = new Map<string, Item[]>()
  for (const item of deployed) {
    const text = textOf(item)
    const same = there.get(text)
    if (same === undefined) there.set(text, [item])
    else same.push(item)
  }
  const matched = new Set<Item>()
  const left = working.filter((item) => {
    const found = there.get(textOf(item))?.pop()
    if (found !== undefined) matched.add(found)
    return found === undefined
  })
  return { left, rest: deployed.filter((item) => !matched.has(item)) }
}

/** Equal for equal items. */
function textOf({ fields }: Item): string {
  const given = [...fields].filter(([, value]) => value !== null).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(given.map(([name, value]) => [name, typeof value === 'number' ? String(value) : value, typeof value]))
}

function differing(working: Item, deployed: Item): readonly FieldDifference[] {
  const found: FieldDifference[] = []
  for (const field of new Set([...working.fields.keys(), ...deployed.fields.keys()])) {
    const [mine, theirs] = [working.fields.get(field) ?? null, deployed.fields.get(field) ?? null]
    if (!Object.is(mine, theirs) && mine !== theirs) found.push({ item: working, field, working: mine, deployed: theirs })
  }
  return found
}

function merged(before: Item, after: Item): Item {
  const fields = new Map(before.fields)
  for (const [field, value] of after.fields) if (value !== null) fields.set(field, value)
  return { ...before, fields }
}
