import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { attack, attacks } from './hostile.ts'
import type { Line } from './line.ts'
import { createRandom } from './random.ts'
import { type Instance, line as services } from './services.ts'

/** What attacks did to the others, while nothing else went wrong. */
export interface HostileFindings {
  readonly attacks: number
  readonly messages: number
  /** Longest that a good device's latest row lagged behind the clock. */
  readonly worstDelaySeconds: number
  /** What /health said of partitions that stood: instance, partition and why. */
  readonly stopped: readonly string[]
  /** Seconds in which /health said something else or nothing, by instance and part. */
  readonly unhealthySeconds: Readonly<Record<string, number>>
  /** Services that ended by themselves. */
  readonly ended: readonly string[]
}

export interface HostileOptions {
  readonly line: Line
  /** Good devices, some of each partition. */
  readonly witnesses: readonly string[]
  readonly seed: number
  /** Each attack comes so often. */
  readonly rounds: number
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

const WATCHED: readonly Instance[] = services
const LOOK_MS = 1_000
/** The devices of the phase have sent by then. */
const WARM_MS = 4_000
const BETWEEN_MS = 1_000
/** What the last attack brought is still under way. */
const AFTER_MS = 5_000
/** It is waited for so long until good devices are as far as ever. */
const RECOVERY_MS = 60_000
const CAUGHT_UP_MS = 4_000

/** Every attack, one after another, beside good devices. */
export async function hostilePhase({ line, witnesses, seed, rounds, signal, say }: HostileOptions): Promise<HostileFindings> {
  const endedBefore = { ...line.services.endedByThemselves }
  const random = createRandom(seed ^ 0x6576696c)
  let messages = 0
  let done = 0
  await delay(WARM_MS, undefined, { signal })
  await using watch = await openWatch(line, witnesses, say)
  for (let round = 0; round < rounds; round++) {
    for (const kind of random.shuffled(attacks)) {
      signal.throwIfAborted()
      const fromMs = performance.now()
      const sent = await attack(kind, line.deviceUrl, 1)
      say(`${kind}: ${sent} messages in ${((performance.now() - fromMs) / 1000).toFixed(1)} s`)
      messages += sent
      done++
      await delay(BETWEEN_MS, undefined, { signal })
    }
  }
  await delay(AFTER_MS, undefined, { signal })
  for (const deadline = Date.now() + RECOVERY_MS; watch.behindMs() > CAUGHT_UP_MS && Date.now() < deadline; )
    await delay(LOOK_MS, undefined, { signal })
  const ended = WATCHED.filter((instance) => (line.services.endedByThemselves[instance] ?? 0) > (endedBefore[instance] ?? 0))
  return { attacks: done, messages, ...watch.seen(), ended }
}

type Seen = Pick<HostileFindings, 'worstDelaySeconds' | 'stopped' | 'unhealthySeconds'>

interface Watch extends AsyncDisposable {
  /** Of the good devices' newest rows, at the last look. */
  behindMs(): number
  seen(): Seen
}

async function openWatch({ services, direct }: Line, witnesses: readonly string[], say: (text: string) => void): Promise<Watch> {
  const database = new pg.Client(direct.telemetryUrl)
  await database.connect()
  const stopped = new Map<string, string>()
  const unhealthySeconds: Record<string, number> = {}
  let [worstMs, behindMs] = [0, 0]
  let ended = false

  function note(what: string): void {
    unhealthySeconds[what] = (unhealthySeconds[what] ?? 0) + LOOK_MS / 1000
  }

  async function lookAtHealth(instance: Instance): Promise<void> {
    const problems = await services.health(instance)
    if (problems === undefined) return note(`${instance}: no answer`)
    for (const [part, why] of Object.entries(problems)) {
      note(`${instance}: ${part}`)
      const place = `${instance}: ${part}`
      if (!isPartition(part) || stopped.has(place)) continue
      stopped.set(place, why)
      say(`STOPPED ${place}: ${why}`)
    }
  }

  async function lookAtRows(): Promise<void> {
    const { rows } = await database.query<{ behind: string | null }>(
      `SELECT max(extract(epoch FROM now() - latest) * 1000) AS behind FROM unnest($1::text[]) AS d (id),
       LATERAL (SELECT coalesce(max(ts), $2::timestamptz) AS latest FROM readings WHERE device_id = d.id AND ts > $2::timestamptz AND ts < now() + interval '1 hour') AS l`,
      [witnesses, beganAt],
    )
    behindMs = Number(rows[0]?.behind ?? 0)
    worstMs = Math.max(worstMs, behindMs)
  }

  const beganAt = new Date(Date.now() - WARM_MS)
  const looking = (async () => {
    while (!ended) {
      await Promise.all([...WATCHED.map(lookAtHealth), lookAtRows().catch((cause: unknown) => note(`the database: ${String(cause)}`))])
      await delay(LOOK_MS)
    }
  })()
  // Awaited at the end; until then its failure must not end the process.
  looking.catch(() => undefined)
  return {
    behindMs: () => behindMs,
    seen: () => ({
      worstDelaySeconds: Math.round(worstMs / 100) / 10,
      stopped: [...stopped].map(([place, why]) => `${place}: ${why}`),
      unhealthySeconds,
    }),
    async [Symbol.asyncDispose]() {
      ended = true
      await looking.finally(() => database.end())
    },
  }
}

/** Parts of /health that are called `topic/number`. */
function isPartition(part: string): boolean {
  return /\/\d+$/.test(part)
}
