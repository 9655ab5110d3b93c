import type { BackendName } from '../../connectors/postgres/backend.ts'
import { whole } from '../../ops/figures.ts'
import type { HistoryShape } from '../pipeline/history-fill.ts'

/** How long a question took, and how many rows its answer has. */
export interface Measured {
  readonly title: string
  readonly rows: number
  readonly coldMs: number
  readonly warmMs: number
}

export interface Figures {
  readonly readings: number
  /** Of the database, with its indexes. */
  readonly bytes: number
  readonly shape: HistoryShape
  readonly figures: readonly Measured[]
}

const NAMES: Readonly<Record<BackendName, string>> = { postgres: 'Plain PostgreSQL', timescaledb: 'TimescaleDB' }

/** docs/queries.md with the figures of a backend; those of the other stay. */
export function withFigures(page: string, backend: BackendName, { readings, bytes, shape, figures }: Figures): string {
  const [begin, end] = [`<!-- Measured by \`make bench-queries\`, ${backend}: begin -->`, '<!-- end -->']
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`expected ${begin} and ${end} in the page`)
  const lines = [
    `${NAMES[backend]}: ${whole(readings)} readings of ${whole(shape.devices)} devices in ${shape.days} days and today, ${(bytes / 1e9).toFixed(1)} GB with roll-ups and indexes.`,
    '',
    '| question | rows of the answer | cold, ms | warm, ms |',
    '|---|---|---|---|',
    ...figures.map(({ title, rows, coldMs, warmMs }) => `| ${[title, whole(rows), whole(coldMs), whole(warmMs)].join(' | ')} |`),
  ]
  return `${page.slice(0, from)}${begin}\n${lines.join('\n')}\n${page.slice(to)}`
}
