import { expect } from 'chai'
import fc from 'fast-check'
import type { ArchivedDay } from '../../connectors/postgres/archived-days.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import type { Row, RowColumn } from '../rows/row.ts'
import { createMerge } from './merge-tiers.ts'
import { readTiers, type Span, type Tiers } from './read-tiers.ts'

const columns: readonly RowColumn[] = [
  { name: 'device_id', kind: 'text', unit: null },
  { name: 'ts', kind: 'timestamp', unit: null },
  { name: 'time_estimated', kind: 'boolean', unit: null },
  { name: 'account_id', kind: 'whole', unit: null },
  { name: 'site_id', kind: 'whole', unit: null },
  { name: 'temperature', kind: 'double', unit: 'Cel' },
]
const DAY = 86_400_000_000
const DAYS = 4
const dayName = (day: number): string => new Date((day * DAY) / 1000).toISOString().slice(0, 10)

/** Table and archive in memory, where days are archived between any two questions. */
class Memory implements Tiers {
  readonly inTable = new Map<number, Row>()
  readonly files = new Map<number, Map<number, Row>>()
  private readonly generations = new Map<number, number>()
  private readonly happening: (() => void)[]
  private readonly merge: ReturnType<typeof createMerge>

  constructor(policy: ConflictPolicy, happening: (memory: Memory) => readonly (() => void)[]) {
    this.merge = createMerge(columns, policy)
    this.happening = [...happening(this)]
  }

  /** What the reader does not see: a file takes the day's rows before the table loses them. */
  archiveDay(day: number): void {
    const file = new Map(this.files.get(day))
    const rows = [...this.inTable].filter(([micros]) => Math.floor(micros / DAY) === day)
    for (const [micros, row] of rows) {
      const there = file.get(micros)
      file.set(micros, there === undefined ? row : this.merge(there, row))
      this.inTable.delete(micros)
    }
    this.files.set(day, file)
    this.generations.set(day, (this.generations.get(day) ?? 0) + 1)
  }

  async table({ fromMicros, toMicros }: Span, limit: number): Promise<readonly Row[]> {
    this.happening.shift()?.()
    const rows = [...this.inTable].filter(([micros]) => micros >= fromMicros && micros < toMicros)
    return rows
      .sort(([one], [other]) => one - other)
      .slice(0, limit)
      .map(([, row]) => row)
  }

  async archived(): Promise<readonly ArchivedDay[]> {
    this.happening.shift()?.()
    return [...this.generations]
      .sort(([one], [other]) => one - other)
      .map(([day, generation]) => ({
        day: dayName(day),
        generation,
        state: 'archived',
        location: '',
        rows: 0,
        bytes: 0,
        sha256: '',
        late: { merged: 0, repeated: 0, conflicts: 0 },
      }))
  }

  async *archive({ day }: ArchivedDay, { fromMicros, toMicros }: Span): AsyncGenerator<readonly Row[]> {
    const rows = [...(this.files.get(Date.parse(`${day}T00:00:00Z`) / 86_400_000) ?? [])]
    const wanted = rows.filter(([micros]) => micros >= fromMicros && micros < toMicros).sort(([one], [other]) => one - other)
    for (let at = 0; at < wanted.length; at += 2) yield wanted.slice(at, at + 2).map(([, row]) => row)
  }
}

async function all(tiers: Tiers, span: Span, conflicts: ConflictPolicy, pageRows: number): Promise<readonly Row[]> {
  const found: Row[] = []
  for await (const rows of readTiers(tiers, span, { columns, conflicts, pageRows })) found.push(...rows)
  return found
}

describe('reading table and archive', () => {
  it('gives each reading once, in order and merged, while days are archived at any moment', async () => {
    const row = fc.record({ day: fc.nat(DAYS - 1), at: fc.nat(6), temperature: fc.option(fc.nat(3)) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 40 }),
        fc.array(row, { maxLength: 10 }),
        fc.array(fc.option(fc.nat(DAYS - 1), { freq: 2 }), { maxLength: 12 }),
        fc.array(fc.nat(DAYS - 1), { maxLength: 3 }),
        fc.constantFrom<ConflictPolicy>('keep-first', 'keep-last'),
        fc.integer({ min: 1, max: 5 }),
        async (early, late, happening, before, policy, pageRows) => {
          const memory = new Memory(policy, (own) => happening.map((day) => () => day !== null && own.archiveDay(day)))
          const merge = createMerge(columns, policy)
          const expected = new Map<number, Row>()
          const write = (
            { day, at, temperature }: { day: number; at: number; temperature: number | null },
            into: Map<number, Row>,
          ): void => {
            const micros = day * DAY + at
            const given: Row = ['hive', micros, false, null, null, temperature]
            const there = into.get(micros)
            into.set(micros, there === undefined ? given : merge(there, given))
          }
          for (const each of early) {
            write(each, memory.inTable)
            write(each, expected)
          }
          for (const day of before) memory.archiveDay(day)
          for (const each of late) {
            write(each, memory.inTable)
            write(each, expected)
          }
          const span = { device: 'hive', fromMicros: 2, toMicros: DAYS * DAY - 1 }
          const wanted = [...expected].filter(([micros]) => micros >= span.fromMicros && micros < span.toMicros).sort(([a], [b]) => a - b)
          expect(await all(memory, span, policy, pageRows)).to.deep.equal(wanted.map(([, each]) => each))
        },
      ),
      { numRuns: 500 },
    )
  })
})
