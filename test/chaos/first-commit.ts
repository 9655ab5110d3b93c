import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** A commit of a consumer in the telemetry database. */
export interface CommitWatch extends AsyncDisposable {
  /**
   * Resolves once the consumer has committed since it claimed a partition; whether it has, within a
   * time.
   */
  committed(): Promise<boolean>
}

/** It must be seen before the next one comes, which is a few milliseconds later. */
const POLL_MS = 2
const PATIENCE_MS = 20_000

/**
 * To be opened while the server is there, before it is told to stand still.
 * @param after claims before this moment do not count
 */
export async function watchCommits(url: string, consumer: string, after: Date, signal: AbortSignal): Promise<CommitWatch> {
  const client = new pg.Client(url)
  // The server is about to be killed.
  client.on('error', () => undefined)
  await client.connect()
  return {
    async committed() {
      for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(POLL_MS, undefined, { signal })) {
        if (await hasCommitted(client, consumer, after)) return true
      }
      return false
    },
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => undefined)
    },
  }
}

async function hasCommitted(client: pg.Client, consumer: string, after: Date): Promise<boolean> {
  const { rowCount } = await client.query(
    'SELECT FROM consumer_offset WHERE consumer = $1 AND committed_at > claimed_at AND claimed_at > $2 LIMIT 1',
    [consumer, after],
  )
  return rowCount === 1
}
