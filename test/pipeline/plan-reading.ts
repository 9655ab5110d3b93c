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

/**
 * What one scan of a query read of its table. Scans of one table are not added up: the few pages of
 * many look-ups would hide the many of one that reads an index from end to end.
 */
export interface ScanRead {
  readonly table: string
  /** Rows that it looked at, also those that it left out. */
  readonly rows: number
  /** Whether the table was read from its first page to its last. */
  readonly whole: boolean
  /** How often it looked into the table. */
  readonly times: number
  /** Pages of 8 KB of the table and its index, each time that one was asked for. */
  readonly pages: number
}

export interface PlanRead {
  /** Not those that were left out while it ran. */
  readonly scans: readonly ScanRead[]
  readonly rows: number
}

/** A parent of scans, which names their table and gives their rows: TimescaleDB's ChunkAppend. */
const PARENT = 'Custom Scan'

/** @param explained the JSON of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) */
export function readPlan(explained: unknown): PlanRead {
  const [{ Plan: root }] = explained as [{ Plan: PlanNode }]
  const scans: ScanRead[] = []
  const visit = (node: PlanNode): void => {
    const [table, loops] = [node['Relation Name'], node['Actual Loops'] ?? 0]
    if (table !== undefined && loops > 0 && node['Node Type'] !== PARENT) {
      const each = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
      const pages = (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0)
      scans.push({ table, rows: each * loops, whole: node['Node Type'] === 'Seq Scan', times: loops, pages })
    }
    for (const child of node.Plans ?? []) visit(child)
  }
  visit(root)
  return { scans, rows: scans.reduce((sum, { rows }) => sum + rows, 0) }
}
