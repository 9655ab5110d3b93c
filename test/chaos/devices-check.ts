import pg from 'pg'
import type { Move } from './injector.ts'
import type { Line } from './line.ts'
import { MOVING_DEVICE, type SentStatus } from './publisher.ts'

/** A consumer may take so long to learn that a device has moved, or must wait. */
const KNOWN_MS = 5_000

/**
 * Rows of the device that moves whose account it had no more at that time, though its move had been
 * written long before.
 */
export async function countFormerAccount({ telemetryUrl, appUrl }: Line['direct'], moves: readonly Move[]): Promise<number> {
  const accounts = new Map(
    (await ask<{ id: string; name: string }>(appUrl, 'SELECT id, name FROM accounts')).map(({ id, name }) => [id, name]),
  )
  const rows = await ask<{ ms: string; account: string | null }>(
    telemetryUrl,
    'SELECT extract(epoch FROM ts) * 1000 AS ms, account_id AS account FROM readings WHERE device_id = $1',
    [MOVING_DEVICE],
  )
  return rows.filter(({ ms, account }) => {
    const move = moves.findLast(({ atMs }) => atMs <= Number(ms))
    return move !== undefined && Number(ms) > move.writtenMs + KNOWN_MS && accounts.get(account ?? '') !== move.account
  }).length
}

/** Devices whose state in the app database is not what they said last. */
export async function findOldStates(appUrl: string, statuses: ReadonlyMap<string, SentStatus>): Promise<readonly string[]> {
  const rows = await ask<{ device: string; state: string; boot: number; firmware: string }>(
    appUrl,
    'SELECT device_id AS device, state, boot, firmware FROM device_status',
  )
  const known = new Map(rows.map(({ device, state, boot, firmware }) => [device, JSON.stringify({ state, boot, firmware })]))
  return [...statuses].flatMap(([device, status]) => {
    const found = known.get(device)
    return found === JSON.stringify(status) ? [] : [`${device} is ${found ?? 'unknown'}, and sent ${JSON.stringify(status)}`]
  })
}

async function ask<Row extends pg.QueryResultRow>(url: string, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(text, [...values])).rows
  } finally {
    await client.end()
  }
}
