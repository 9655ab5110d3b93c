import type { Database } from './database.ts'

interface Row extends Record<string, unknown> {
  readonly asset: string
  readonly device: string
  readonly valid: string
}

const DOING = 'copying the assets to the telemetry database'
const COLUMNS = 'asset_id AS asset, device_id AS device, valid::text AS valid'

/**
 * Replaces the telemetry database's copy of who measured what by what the app database says, in
 * one transaction. Of several at a time, the last to read is the last to write.
 * @returns how many periods there are, or undefined if the copy was right
 */
export function copyAssets(app: Database, telemetry: Database): Promise<number | undefined> {
  return telemetry.use(async (session) => {
    await session.script(DOING, 'BEGIN; LOCK TABLE asset_devices IN SHARE ROW EXCLUSIVE MODE')
    const rows = await app.use((own) => own.query<Row>(DOING, `SELECT ${COLUMNS} FROM asset_periods WHERE swapped`))
    const copy = await session.query<Row>(DOING, `SELECT ${COLUMNS} FROM asset_devices`)
    if (sameRows(rows, copy)) {
      await session.script(DOING, 'ROLLBACK')
      return undefined
    }
    await session.script(DOING, 'DELETE FROM asset_devices')
    await session.query(
      DOING,
      'INSERT INTO asset_devices (asset_id, device_id, valid) SELECT a, d, v::tstzrange FROM unnest($1::text[], $2::text[], $3::text[]) AS r (a, d, v)',
      [rows.map(({ asset }) => asset), rows.map(({ device }) => device), rows.map(({ valid }) => valid)],
    )
    await session.commit(DOING)
    return rows.length
  })
}

function sameRows(one: readonly Row[], other: readonly Row[]): boolean {
  const text = (rows: readonly Row[]): string =>
    rows
      .map(({ asset, device, valid }) => `${asset} ${device} ${valid}`)
      .sort()
      .join('\n')
  return text(one) === text(other)
}
