import { createHash } from 'node:crypto'
import { identifier, quotedTable, shownTable } from '../../connectors/postgres/lookup-table-rows.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { LookupTable } from '../../processors/lookup-table.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { readQuantities } from '../../schemas/files.ts'
import { version } from '../../services/version.ts'

/** What rows follow from, beside the frames. */
export interface BasisParts {
  readonly registry: Pick<SchemaRegistry, 'subjects' | 'version'>
  /** Of the app database. */
  readonly app: Session
  readonly devices: readonly string[]
  /** What the dialects are made of. */
  readonly dialects: readonly unknown[]
  /** Tables of the app database that the processors look up. */
  readonly tables: readonly LookupTable[]
  /** Of the topics that are read. */
  readonly topicIds: readonly string[]
}

/**
 * A checksum of the conversions, dialects, assignments, gateways, quantities and looked-up rows of
 * now. Rows of one recomputation must have one basis, also if it was killed and goes on.
 */
export async function basisOf({ registry, app, devices, dialects, tables, topicIds }: BasisParts): Promise<string> {
  const hash = createHash('sha256')
  const add = (part: unknown): void => void hash.update(`${JSON.stringify(part)}\n`)
  add([version, readQuantities(), dialects, topicIds])
  const subjects = [...(await registry.subjects(firmwareSubject('')))].sort()
  for (const subject of subjects) add([subject, (await registry.version(subject, 'latest'))?.schema])
  const [row] = await app.query<{ assigned: string | null; gateways: string | null }>(
    'reading what devices are assigned to',
    `SELECT (SELECT md5(string_agg(concat_ws(' ', d.id, a.account_id, coalesce(a.site_id, 0), a.valid), ',' ORDER BY d.id, a.valid))
         FROM devices AS d LEFT JOIN assignments AS a ON a.device_id = d.id WHERE d.id = ANY ($1)) AS assigned,
       (SELECT md5(string_agg(g::text, ',' ORDER BY g::text)) FROM gateway_devices AS g) AS gateways`,
    [devices],
  )
  add(row)
  for (const table of tables) add([shownTable(table), await contentOf(app, table)])
  return hash.digest('hex')
}

/** A checksum of what a processor can see of a table, whatever the order of its rows. */
async function contentOf(app: Session, table: LookupTable): Promise<unknown> {
  const columns = [...new Set([table.key, ...Object.keys(table.columns)])].map(identifier)
  const [row] = await app.query<{ rows: number; sum: string | null }>(
    `reading table ${shownTable(table)}`,
    `SELECT count(*)::float8 AS rows, sum(hashtextextended(ROW(${columns.join(', ')})::text, 0)::numeric)::text AS sum FROM ${quotedTable(table)}`,
  )
  return row
}
