import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { testDatabase } from './stack-clients.ts'

/** A database of a test's own, dropped at the end. */
export interface ScratchDatabase extends AsyncDisposable {
  readonly url: string
  /** Runs SQL on a connection of the test's own; int8 comes back as bigint. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** A connection of the test's own, for what takes several statements. */
  connect(): Promise<pg.Client>
}

/**
 * Creates a database on the server that an environment variable names. A missing server is a
 * failure.
 */
export async function scratchDatabase(variable: 'TELEMETRY_DATABASE_URL' | 'APP_DATABASE_URL'): Promise<ScratchDatabase> {
  const address = process.env[variable]
  if (address === undefined) throw new Error(`${variable} is not set: start the local stack with deploy/local/start postgres`)
  const name = `test_${randomBytes(6).toString('hex')}`
  await once(address, `CREATE DATABASE ${name}`)
  const url = new URL(address)
  url.pathname = `/${name}`
  const clients: pg.Client[] = []
  const connect = async (): Promise<pg.Client> => {
    const client = testDatabase(url.href, { application_name: 'test' })
    client.setTypeParser(20, BigInt)
    // A test that kills connections kills this one too.
    client.on('error', () => undefined)
    await client.connect()
    clients.push(client)
    return client
  }
  const own = await connect()
  return {
    url: url.href,
    query: async (text, values = []) => (await own.query<Record<string, unknown>>(text, [...values])).rows,
    connect,
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.end()
      // Without FORCE, which may not end TimescaleDB's own workers. The server waits five seconds
      // for others to leave: a leaked one shows.
      await once(address, `DROP DATABASE ${name}`)
    },
  }
}

/** A server that asks for passwords has one for these users: that of who made them. */
export async function letIn({ url, query }: ScratchDatabase, ...users: readonly string[]): Promise<void> {
  const { password } = new URL(url)
  if (password === '') return
  for (const user of users) await query(`ALTER ROLE ${user} PASSWORD '${decodeURIComponent(password)}'`)
}

async function once(url: string, statement: string): Promise<void> {
  const client = testDatabase(url)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
