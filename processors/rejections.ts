import type { RecordPart, Rejection } from './contract.ts'
import { grouped } from './grouped.ts'

/** Details that a dead letter shows if it has several; the others are counted. */
const SHOWN = 3

/**
 * All that one record was rejected for: one rejection for each reason, with all samples and
 * quantities that it concerns.
 */
export function byReason(rejections: readonly Rejection[]): readonly Rejection[] {
  return [...grouped(rejections, ({ reason }) => reason).values()].map(united)
}

/** A rejection as far as it concerns a part of its record; undefined if it does not. */
export function narrowed<Own extends Rejection>(rejection: Own, part: RecordPart): Own | undefined {
  const samples = common(rejection.samples, part.samples)
  const quantities = common(rejection.quantities ?? [], part.quantities)
  return samples === undefined || quantities === undefined ? undefined : { ...rejection, samples, quantities }
}

function united(rejections: readonly Rejection[]): Rejection {
  const [first] = rejections as readonly [Rejection]
  if (rejections.length === 1) return first
  const details = [...new Set(rejections.map(({ detail }) => detail))]
  const shown = details.slice(0, SHOWN)
  const others = details.length - shown.length
  return {
    reason: first.reason,
    detail: `${shown.join('; ')}${others === 0 ? '' : `; and ${others} more`}`,
    samples: unless(rejections.map(({ samples }) => samples)).sort((a, b) => a - b),
    quantities: unless(rejections.map(({ quantities = [] }) => quantities)),
  }
}

/** The union of lists. An empty list means all. */
function unless<Item>(lists: readonly (readonly Item[])[]): Item[] {
  if (lists.some((list) => list.length === 0)) return []
  const union = new Set<Item>()
  for (const list of lists) for (const item of list) union.add(item)
  return [...union]
}

/** What two lists have in common; undefined if nothing. An empty list means all. */
function common<Item>(some: readonly Item[], others: readonly Item[]): readonly Item[] | undefined {
  if (some.length === 0) return others
  if (others.length === 0) return some
  const among = new Set(others)
  const both = some.filter((item) => among.has(item))
  return both.length === 0 ? undefined : both
}
