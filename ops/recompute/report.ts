import type { Comparison, QuantityDifference } from '../../connectors/postgres/recompute-compare.ts'
import { decimal, whole } from '../figures.ts'
import { type Alignment, table } from '../text-table.ts'

/** A quantity of which something differs. Differences are of the value now, less the one before. */
export interface QuantityReport {
  readonly quantity: string
  /** Rows with a value before and another one now. */
  readonly differing: number
  readonly least: number
  readonly mean: number
  readonly greatest: number
  /** Rows with a value now that had none. */
  readonly added: number
  /** Rows with a value that no frame gives now. */
  readonly unbacked: number
}

export interface DayReport extends Omit<Comparison, 'quantities'> {
  /** UTC, as in 2026-11-23. */
  readonly day: string
  readonly archived: boolean
}

/** What a recomputation would change, or has changed. */
export interface RecomputeReport {
  /** Days of the span that have rows, before or now. */
  readonly days: readonly DayReport[]
  readonly quantities: readonly QuantityReport[]
  /** Days that went by retention: they are left alone. */
  readonly dropped: readonly string[]
}

/** Adds up what days differ in. */
export class ReportSum {
  private readonly days: DayReport[] = []
  private readonly quantities = new Map<string, QuantityDifference>()

  add(day: string, archived: boolean, { quantities, ...rows }: Comparison): void {
    if (rows.before + rows.now === 0) return
    this.days.push({ day, archived, ...rows })
    for (const [name, own] of quantities) this.quantities.set(name, joined(this.quantities.get(name), own))
  }

  report(dropped: readonly string[]): RecomputeReport {
    const quantities = [...this.quantities].map(([quantity, { sum, ...rest }]) => ({
      quantity,
      ...rest,
      mean: rest.differing === 0 ? 0 : sum / rest.differing,
    }))
    return { days: this.days, quantities, dropped }
  }
}

function joined(one: QuantityDifference | undefined, other: QuantityDifference): QuantityDifference {
  if (one === undefined || one.differing === 0)
    return { ...other, added: other.added + (one?.added ?? 0), unbacked: other.unbacked + (one?.unbacked ?? 0) }
  const some = other.differing > 0
  return {
    differing: one.differing + other.differing,
    least: some ? Math.min(one.least, other.least) : one.least,
    greatest: some ? Math.max(one.greatest, other.greatest) : one.greatest,
    sum: one.sum + other.sum,
    added: one.added + other.added,
    unbacked: one.unbacked + other.unbacked,
  }
}

const COUNTS = ['before', 'now', 'added', 'unbacked', 'changed', 'account', 'site', 'estimated'] as const

/** Rows of all days. */
export function totals({ days }: Pick<RecomputeReport, 'days'>): Readonly<Record<(typeof COUNTS)[number], number>> {
  const sums = COUNTS.map((name) => [name, days.reduce((sum, day) => sum + day[name], 0)] as const)
  return Object.fromEntries(sums) as Record<(typeof COUNTS)[number], number>
}

/** Days that are listed; the totals have all. */
const MOST_DAYS = 31

/** The report as lines for people. */
export function reportLines(report: RecomputeReport): readonly string[] {
  const { days, quantities, dropped } = report
  const all = totals(report)
  const lines = [
    `${whole(all.before)} rows in the table and the archive, ${whole(all.now)} recomputed: ${whole(all.before - all.unbacked - all.changed)} alike, ${whole(all.changed)} differ, ${whole(all.added)} are there only now, ${whole(all.unbacked)} only before: no frame gives them`,
  ]
  const owners = [
    ...(all.account > 0 ? [`${whole(all.account)} rows are of another account`] : []),
    ...(all.site > 0 ? [`${whole(all.site)} of another site`] : []),
    ...(all.estimated > 0 ? [`${whole(all.estimated)} say something else about whether their time is estimated`] : []),
  ]
  if (owners.length > 0) lines.push(owners.join(', '))
  if (quantities.length > 0)
    lines.push(
      ...table(
        [
          ['quantity', 'rows that differ', 'by least', 'mean', 'most', 'only now', 'only before'],
          ...quantities.map(({ quantity, differing, least, mean, greatest, added, unbacked }) => [
            quantity,
            whole(differing),
            ...[least, mean, greatest].map((value) => (differing === 0 ? '' : figure(value))),
            whole(added),
            whole(unbacked),
          ]),
        ],
        ['left', ...Array.from({ length: 6 }, (): Alignment => 'right')],
      ),
    )
  if (days.length > 1)
    lines.push(
      ...table(
        [
          ['day', 'before', 'now', 'differ', 'only now', 'only before', ''],
          ...days
            .slice(0, MOST_DAYS)
            .map(({ day, before, now, changed, added, unbacked, archived }) => [
              day,
              ...[before, now, changed, added, unbacked].map(whole),
              archived ? 'archived' : '',
            ]),
        ],
        ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
      ),
    )
  if (days.length > MOST_DAYS) lines.push(`… and ${whole(days.length - MOST_DAYS)} more days`)
  if (dropped.length > 0)
    lines.push(
      `${whole(dropped.length)} days went by retention, ${dropped[0]} to ${dropped.at(-1)}: they are left alone, only their roll-ups are left`,
    )
  return lines
}

/** Six digits at most that mean something. */
function figure(value: number): string {
  return Number.isInteger(value) ? decimal(value, 0) : String(Number(value.toPrecision(6)))
}
