import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { systemClock } from '../../connectors/clock.ts'
import { AlertRuleError } from '../../connectors/postgres/alert-rules.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { retryFailed } from '../../connectors/postgres/webhook-ends.ts'
import { addWebhook, removeWebhook } from '../../connectors/postgres/webhooks.ts'
import { startWebhookSender } from '../../services/process/webhook-sender.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

describe('messages to webhooks that were not delivered', () => {
  let scratch: ScratchDatabase
  let database: Database
  /** Bodies that came, in order. */
  let received: string[]
  let status: number
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += String(chunk)))
    request.on('end', () => {
      received.push(body)
      response.writeHead(status).end()
    })
  })
  let url: string

  before(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    database = createDatabase({ url: scratch.url, applicationName: 'test' })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })

  after(async () => {
    server.close()
    await database[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  beforeEach(async () => {
    await scratch.query('TRUNCATE accounts, webhooks, webhook_delivery RESTART IDENTITY CASCADE')
    await scratch.query("INSERT INTO accounts (name) VALUES ('demo')")
    received = []
    status = 200
    await addWebhook(database, 'demo', url, 'a secret of sixteen')
  })

  const deliveries = async () =>
    (await scratch.query('SELECT body, state FROM webhook_delivery ORDER BY id')).map(({ body, state }) => `${body} ${state}`)
  const failed = (body: string, age: string) =>
    scratch.query(
      `INSERT INTO webhook_delivery (webhook_id, event_id, body, created_at, waiting_since, state, settled_at)
       VALUES (1, $1, $1, now() - $2::interval, now() - $2::interval, 'failed', now() - $2::interval)`,
      [body, age],
    )
  const waiting = (body: string) => scratch.query('INSERT INTO webhook_delivery (webhook_id, event_id, body) VALUES (1, $1, $1)', [body])

  /** Runs the sender until something holds, 10 s at most. */
  async function sending(until: (health: string | null) => Promise<boolean>) {
    const counters = { delivered: 0, retried: 0, failed: 0, expired: 0, removed: 0 }
    const warnings: string[] = []
    let health: string | null = null
    const sender = startWebhookSender({
      database,
      settings: { private_addresses: 'allow', timeout_ms: 2_000, retry_hours: 24 },
      counters,
      clock: systemClock,
      log: { info: () => undefined, warn: (message) => warnings.push(message), error: () => undefined },
      problem: () => undefined,
      undelivered: (what) => {
        health = what
      },
    })
    try {
      for (let tries = 0; tries < 200 && !(await until(health)); tries++) await delay(50)
    } finally {
      await sender[Symbol.asyncDispose]()
    }
    return { counters, warnings, health: health as string | null }
  }

  it('are kept for 30 days after they failed for good, then deleted, counted and logged', async () => {
    await failed('old', '31 days')
    await failed('kept', '29 days')
    const { counters, warnings } = await sending(async () => (await deliveries()).length === 1)
    expect(await deliveries()).to.deep.equal(['kept failed'])
    expect([counters.expired, counters.removed]).to.deep.equal([1, 0])
    expect(warnings.join()).to.include('failed for good were deleted')
  })

  it('go with their webhook, and none is sent to it any more', async () => {
    await waiting('one')
    await failed('two', '1 day')
    await removeWebhook(database, 'demo', url)
    const { counters } = await sending(async () => (await deliveries()).length === 0)
    expect([await deliveries(), counters.removed, received]).to.deep.equal([[], 2, []])
    // Its own row goes later.
    await scratch.query("UPDATE webhooks SET removed_at = now() - interval '31 days'")
    await sending(async () => (await scratch.query('SELECT FROM webhooks')).length === 0)
    expect(await scratch.query('SELECT FROM webhooks')).to.deep.equal([])
  })

  it('are in /health while they are recent', async () => {
    await failed('recent', '10 minutes')
    await failed('long ago', '2 hours')
    const { health } = await sending(async (now) => now !== null)
    expect(health).to.match(/^1 messages to 1 webhooks failed for good within the hour/)
  })

  it('are sent again by a retry, before what waits, and with patience of their own', async () => {
    await failed('first', '3 days')
    await failed('second', '2 days')
    await waiting('third')
    expect(await retryFailed(database, 1n)).to.equal(2)
    // A failure now does not fail them for good: they have waited since the retry.
    status = 500
    await sending(async () => received.length > 0)
    expect(await deliveries()).to.deep.equal(['first waiting', 'second waiting', 'third waiting'])
    status = 200
    received = []
    await scratch.query('UPDATE webhooks SET next_at = now()')
    await sending(async () => received.length === 3)
    expect(received).to.deep.equal(['first', 'second', 'third'])
    const error = await retryFailed(database, 7n).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(AlertRuleError)
  })
})
