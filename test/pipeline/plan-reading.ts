/** A node of what EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) says, as far as it matters here. */
interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly Plans?: readonly PlanNode[]
}

/** What a query read of one table. */
export interface TableRead {
  readonly table: string
  /** Rows that a scan looked at, also those that it left out. */
  rows: number
  /** Whether it was read from its first page to its last. */
  whole: boolean
  /** How often it was looked into. */
  times: number
  /** Pages of 8 KB of the table and its index, each time that one was asked for. */
  pages: number
}

export interface PlanRead {
  /** Tables that were looked into; not those that were left out while it ran. */
  readonly tables: readonly TableRead[]
  readonly rows: number
}

/** A parent of scans, which names their table and gives their rows: TimescaleDB's ChunkAppend. */
const PARENT = 'Custom Scan'

/** @param explained the JSON of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) */
export function readPlan(explained: unknown): PlanRead {
  const [{ Plan: root }] = explained as [{ Plan: PlanNode }]
  const tables = new Map<string, TableRead>()
  const visit = (node: PlanNode): void => {
    const [table, loops] = [node['Relation Name'], node['Actual Loops'] ?? 0]
    if (table !== undefined && loops > 0 && node['Node Type'] !== PARENT) {
      const known = tables.get(table) ?? { table, rows: 0, whole: false, times: 0, pages: 0 }
      const each = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
      known.rows += each * loops
      known.times += loops
      known.pages += (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0)
      known.whole ||= node['Node Type'] === 'Seq Scan'
      tables.set(table, known)
    }
    for (const child of node.Plans ?? []) visit(child)
  }
  visit(root)
  const read = [...tables.values()]
  return { tables: read, rows: read.reduce((sum, { rows }) => sum + rows, 0) }
}
