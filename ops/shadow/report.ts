import { whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { ItemDifferences } from './compare.ts'
import type { Item, Scalar } from './items.ts'
import type { Place } from './window.ts'

/** One place where the two differ. */
export interface Example {
  /** Topic, partition and offset of the input. */
  readonly source: string
  readonly device: string | null
  readonly ts: number | null
  readonly deployed: Scalar
  readonly working: Scalar
}

interface FieldRow {
  items: number
  /** Largest difference of numbers; undefined if none were compared. */
  largest: number | undefined
  readonly examples: Example[]
}

/** Examples that are kept of each kind of difference. */
export const MOST_EXAMPLES = 3
/** Kinds of differences that are kept apart: names of fields may be a stranger's. */
const MOST_KINDS = 1000

/** What was compared, and how it differs. */
export class ShadowReport {
  inputs = 0
  /** Outputs that are equal byte by byte. */
  sameRecords = 0
  /** Samples of readings, or records, that are alike field by field. */
  sameItems = 0
  changedItems = 0
  repeats = 0
  deadAlike = 0
  /** Inputs without outputs of the deployed one where Kafka has deleted what was there. */
  cut = 0
  /** Inputs that the deployed one has not come to yet. */
  notYet = 0
  /** What is to be known of the comparison, for people. */
  readonly notes = new Set<string>()
  interrupted = false
  private readonly rows = new Map<string, FieldRow>()

  get differences(): number {
    return [...this.rows.values()].reduce((sum, { items }) => sum + items, 0)
  }

  /** Counts the items of a topic that are not alike. */
  compared(topic: string, place: Place, { same, changed, fields, added, gone }: ItemDifferences): void {
    this.sameItems += same
    this.changedItems += changed
    for (const { item, field, deployed, working } of fields) this.note(`${topic} ${field}`, place, item, deployed, working)
    for (const item of added) this.note(`${topic} (only the working copy)`, place, item, null, shown(item))
    for (const item of gone) this.note(`${topic} (only the deployed one)`, place, item, shown(item), null)
  }

  /** A difference of one input: dead letters, or what cannot be read. */
  noted(kind: string, place: Place, device: string | null, deployed: Scalar, working: Scalar): void {
    this.note(kind, place, { device, ts: null }, deployed, working)
  }

  lines(what: { readonly name: string; readonly from: string; readonly to: string }): readonly string[] {
    const rows = this.sorted()
    return [
      `${what.name}: ${whole(this.inputs)} inputs from ${what.from} to ${what.to} compared${this.interrupted ? ', interrupted' : ''}`,
      `alike: ${whole(this.sameRecords)} output records as they are, ${whole(this.sameItems)} more by their fields; ${whole(this.deadAlike)} dead letters; ${whole(this.repeats)} repeats left out`,
      ...(this.differences === 0
        ? [this.inputs === 0 ? 'nothing was compared' : 'no difference']
        : table(
            [
              ['difference', 'count', 'largest', 'input', 'device', 'ts', 'deployed', 'working copy'],
              ...rows.flatMap(([kind, { items, largest, examples }]) =>
                examples.map(({ source, device, ts, deployed, working }, index) => [
                  ...(index === 0 ? [kind, whole(items), largest === undefined ? '' : short(largest)] : ['', '', '']),
                  source,
                  device ?? '',
                  time(ts),
                  short(deployed),
                  short(working),
                ]),
              ),
            ],
            ['left', 'right', 'right', 'left', 'left', 'left', 'left', 'left'],
          )),
      ...(this.notYet > 0 ? [`not compared: ${whole(this.notYet)} inputs that the deployed one has not come to yet`] : []),
      ...(this.cut > 0 ? [`not compared: ${whole(this.cut)} outputs whose time is before what Kafka still has of their topic`] : []),
      ...this.notes,
    ]
  }

  json(): unknown {
    const { inputs, sameRecords, sameItems, changedItems, repeats, deadAlike, cut, notYet, interrupted, notes, differences } = this
    return {
      inputs,
      alike: { records: sameRecords, items: sameItems, deadLetters: deadAlike, repeats },
      changedItems,
      differences,
      byField: this.sorted().map(([kind, { items, largest, examples }]) => ({ kind, count: items, largest: largest ?? null, examples })),
      notCompared: { notYet, cut },
      interrupted,
      notes: [...notes],
    }
  }

  private sorted(): readonly (readonly [string, FieldRow])[] {
    return [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  private note(
    kind: string,
    { topic, partition, offset }: Place,
    item: Pick<Item, 'device' | 'ts'>,
    deployed: Scalar,
    working: Scalar,
  ): void {
    const name = this.rows.has(kind) || this.rows.size < MOST_KINDS ? kind : '(others)'
    const row = this.rows.get(name) ?? { items: 0, largest: undefined, examples: [] }
    this.rows.set(name, row)
    row.items++
    if (typeof deployed === 'number' && typeof working === 'number') {
      const difference = Math.abs(working - deployed)
      if (row.largest === undefined || difference > row.largest) row.largest = difference
    }
    if (row.examples.length < MOST_EXAMPLES)
      row.examples.push({
        source: `${topic}/${partition}/${offset}`,
        device: item.device,
        ts: item.ts,
        deployed: cut(deployed),
        working: cut(working),
      })
  }
}

/** An example need not be a whole record. */
const MOST_KEPT = 1000

function cut(value: Scalar): Scalar {
  return typeof value === 'string' && value.length > MOST_KEPT ? `${value.slice(0, MOST_KEPT)}…` : value
}

/** The fields of an item that have a value. */
function shown({ fields }: Item): string {
  const given = [...fields].filter(([name, value]) => value !== null && name !== 'device_id' && name !== 'ts')
  return given.map(([name, value]) => `${name}=${value}`).join(' ')
}

const MOST_SHOWN = 60
/** Digits of a number that people see; --json has all of them. */
const DIGITS = 6

function short(value: Scalar): string {
  if (value === null) return 'none'
  const text = typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(DIGITS))) : String(value)
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}…`
}

const MICROS_PER_MILLI = 1000
/** Beyond this a Date cannot say it. */
const LAST_MS = 8.64e15

function time(ts: number | null): string {
  if (ts === null) return ''
  const ms = ts / MICROS_PER_MILLI
  return Math.abs(ms) <= LAST_MS ? new Date(ms).toISOString() : String(ts)
}
