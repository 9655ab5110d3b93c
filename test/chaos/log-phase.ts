import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { KAFKAJS, openAdmin } from '../../connectors/kafka/client.ts'
import { groupLag } from '../../connectors/kafka/topics.ts'
import { topics } from '../../processors/topics.ts'
import type { MetricName } from '../../services/metrics.ts'
import { watchCommits } from './first-commit.ts'
import { type Cut, cutLog, logEnd } from './kafka-log.ts'
import type { Instance } from './services.ts'
import type { Session } from './session.ts'
import { type Position, readPositions } from './settle.ts'

/** What a consumer should have said about records that Kafka had lost, and what it said. */
export interface Said {
  readonly fault: string
  readonly consumer: string
  /** Records between where the log ends and where the consumer was. */
  readonly least: number
  readonly most: number
  readonly said: number
}

export interface LogFindings {
  readonly counts: Readonly<Record<string, number>>
  readonly said: readonly Said[]
  /**
   * Records that were cut before the store had them: so many of them may be missing, and nothing
   * else.
   */
  readonly cutUnread: number
  /** Log lines of each service that speak of a recreated topic. */
  readonly recreatedSaid: Readonly<Record<string, number>>
}

export interface LogPhaseOptions {
  readonly session: Session
  /** Where Kafka keeps its logs. */
  readonly kafkaData: string
  /** Drives the good devices for so long, and resolves when all is acknowledged. */
  readonly burst: (phase: string, seconds: number) => Promise<void>
  /** Waits until every consumer is where its topics end. */
  readonly settle: () => Promise<void>
}

/**
 * Phases of load around these faults. What the last one lost is Kafka's loss, and nobody else's.
 */
export const CUT = 'cut'
export const UNREAD = 'unread'

const run = promisify(execFile)
const BURST_S = 5
const UNREAD_S = 14
/** Records that go with a cut, at least, where there are so many. */
const CUT_RECORDS = 20n
/** The store does not take what comes meanwhile. Shorter than its session. */
const STOPPED_MS = 2_500
const LOAD_MS = 3_000
/** Kafka has been told that the topic is gone; it deletes its logs a moment later. */
const GONE_MS = 1_500
const LOST_TOPICS: readonly string[] = [topics.frames, topics.raw, topics.readings, topics.deviceStatus]
/** The consumers that have a position in these topics, and how they say what they lost. */
const CONSUMERS = [
  'store',
  'continuity',
  'devices',
  'movement',
  'alerts',
  'contact',
  'standardise',
  'translate',
] as const satisfies readonly Instance[]
/** Those of them whose offsets are Kafka's, and what they read. */
const KAFKAS = [
  ['standardise', topics.frames],
  ['translate', topics.raw],
] as const
const LOST: MetricName = 'millrace_truncated_offsets_total'

/**
 * Kafka's log ends before its consumers' positions, and topics are recreated, while everything
 * runs.
 */
export async function logPhase({ session, kafkaData, burst, settle }: LogPhaseOptions): Promise<LogFindings> {
  const { line, kafka, signal, say } = session
  const counts: Record<string, number> = {}
  const said: Said[] = []
  let cutUnread = 0
  const begin = (fault: string, text: string): void => {
    counts[fault] = (counts[fault] ?? 0) + 1
    say(text)
  }

  /** Where every consumer is. */
  async function positions(): Promise<readonly Position[]> {
    await using admin = openAdmin(kafka)
    const found = [...(await readPositions([line.direct.telemetryUrl, line.direct.appUrl]))]
    for (const [consumer, read] of KAFKAS)
      for (const { topic, partition, committed } of await groupLag(admin, consumer, [read]))
        found.push({ consumer, topic, partition, nextOffset: committed })
    return found
  }

  async function counters(): Promise<ReadonlyMap<string, number>> {
    const values = new Map<string, number>()
    for (const consumer of CONSUMERS) values.set(consumer, (await line.services.metrics(consumer))?.get(LOST) ?? 0)
    return values
  }

  /** Notes what each consumer said since `before`, beside what it should have. */
  async function compare(
    fault: string,
    before: ReadonlyMap<string, number>,
    due: ReadonlyMap<string, readonly [number, number]>,
  ): Promise<void> {
    const after = await counters()
    for (const [consumer, [least, most]] of due)
      said.push({ fault, consumer, least, most, said: (after.get(consumer) ?? 0) - (before.get(consumer) ?? 0) })
  }

  /** What was read, of each consumer, from an end of the log on. */
  function lost(ends: ReadonlyMap<string, bigint>, before: readonly Position[]): ReadonlyMap<string, readonly [number, number]> {
    const due = new Map<string, readonly [number, number]>()
    for (const { consumer, topic, partition, nextOffset } of before) {
      const end = ends.get(`${topic}-${partition}`)
      if (end === undefined || nextOffset === null || nextOffset <= end) continue
      const sum = (due.get(consumer)?.[0] ?? 0) + Number(nextOffset - end)
      due.set(consumer, [sum, sum])
    }
    return due
  }

  function partitionsOf(topic: string): readonly string[] {
    return readdirSync(kafkaData).filter((name) => new RegExp(`^${topic.replaceAll('.', '\\.')}-\\d+$`).test(name))
  }

  function cutAll(names: readonly string[], from: (name: string) => bigint): ReadonlyMap<string, Cut> {
    const cuts = new Map<string, Cut>()
    for (const topic of names) {
      for (const name of partitionsOf(topic)) {
        const cut = cutLog(join(kafkaData, name), from(name))
        if (cut !== undefined) cuts.set(name, cut)
      }
    }
    return cuts
  }

  const startsOf = (cuts: ReadonlyMap<string, Cut>): ReadonlyMap<string, bigint> =>
    new Map([...cuts].map(([name, { from }]) => [name, from]))

  /**
   * A power cut on Kafka's one server: the last records of each log, which all had read, are gone.
   */
  async function cutRead(): Promise<void> {
    await burst(CUT, BURST_S)
    await settle()
    const [before, told] = [await positions(), await counters()]
    await line.stack.kill('kafka')
    const cuts = cutAll(LOST_TOPICS, (name) => {
      const end = logEnd(join(kafkaData, name))
      return end - CUT_RECORDS
    })
    begin('cut log', `Kafka killed; ${recordsIn(cuts)} records cut off ${cuts.size} logs that had been read`)
    await line.stack.start('kafka')
    await burst(CUT, BURST_S)
    await settle()
    await compare('cut log', told, lost(startsOf(cuts), before))
  }

  /**
   * A volume restored to what it was a while ago: all logs, and the offsets of groups, but not the
   * cluster's metadata.
   */
  async function restoreOlder(): Promise<void> {
    const copy = `${line.directory}/kafka-earlier`
    const parts = readdirSync(kafkaData).filter((name) => /-\d+$/.test(name) && !name.startsWith('__cluster_metadata'))
    mkdirSync(copy)
    await run('cp', ['-a', '--sparse=always', ...parts.map((name) => join(kafkaData, name)), copy])
    await burst(CUT, BURST_S)
    await settle()
    const [before, told] = [await positions(), await counters()]
    await line.stack.kill('kafka')
    for (const name of parts) rmSync(join(kafkaData, name), { recursive: true })
    await run('cp', ['-a', '--sparse=always', ...parts.map((name) => join(copy, name)), kafkaData])
    rmSync(copy, { recursive: true })
    const ends = new Map(parts.map((name) => [name, logEnd(join(kafkaData, name))]))
    begin('restore log', 'Kafka killed; its logs are what they were a burst ago')
    await line.stack.start('kafka')
    await burst(CUT, BURST_S)
    await settle()
    const due = new Map(lost(ends, before))
    // Their offsets went back with the logs: they may never notice.
    for (const [consumer] of KAFKAS) {
      const own = due.get(consumer)
      if (own !== undefined) due.set(consumer, [0, own[1]])
    }
    await compare('restore log', told, due)
  }

  /** A power cut under load: of what is cut, the store had read a part. */
  async function cutUnreadToo(): Promise<void> {
    const loaded = burst(UNREAD, UNREAD_S)
    loaded.catch(() => undefined)
    await delay(LOAD_MS, undefined, { signal })
    const told = await counters()
    line.services.signal('store', 'SIGSTOP')
    await delay(STOPPED_MS, undefined, { signal })
    const before = (await readPositions([line.direct.telemetryUrl])).filter(({ consumer }) => consumer === 'store')
    await line.stack.kill('kafka')
    const at = new Map(before.map(({ topic, partition, nextOffset }) => [`${topic}-${partition}`, nextOffset ?? 0n]))
    const cuts = cutAll([topics.readings], (name) => (at.get(name) ?? 0n) - CUT_RECORDS)
    let [read, unread] = [0, 0]
    for (const [name, { from, to }] of cuts) {
      const position = at.get(name) ?? 0n
      read += Number(position > from ? position - from : 0n)
      unread += Number(to > position ? to - position : 0n)
    }
    cutUnread += unread
    begin(
      'cut unread log',
      `Kafka killed under load; ${recordsIn(cuts)} readings cut off ${cuts.size} logs, of which the store had not committed ${unread}`,
    )
    await line.stack.start('kafka')
    line.services.signal('store', 'SIGCONT')
    await loaded
    await settle()
    // What it had fetched before it was stopped it may have committed since.
    await compare('cut unread log', told, new Map([['store', [read, read + unread]]]))
  }

  /**
   * Topics are deleted and made again, and at the store's first commit in the new one PostgreSQL
   * loses its power.
   */
  async function recreate(): Promise<void> {
    await using admin = openAdmin(kafka)
    const after = new Date()
    await (await admin[KAFKAJS]()).deleteTopics({ topics: [...LOST_TOPICS] })
    begin('recreate topic', `${LOST_TOPICS.join(', ')} deleted`)
    const loaded = burst(CUT, 2 * BURST_S)
    loaded.catch(() => undefined)
    await delay(GONE_MS, undefined, { signal })
    await line.millrace('migrate')
    say('and made again')
    await using watch = await watchCommits(line.direct.telemetryUrl, 'store', after, signal)
    let seen = false
    await line.stack.cutPostgresPower(async () => {
      seen = await watch.committed()
    })
    if (seen) begin('first commit', 'PostgreSQL without power at the first commit of store in the new topic')
    else say('the store did not commit in the new topic: PostgreSQL lost its power all the same')
    await line.stack.start(line.stack.primary)
    await loaded
    await settle()
  }

  await cutRead()
  await cutUnreadToo()
  await restoreOlder()
  const linesBefore = await recreatedLines(line)
  await recreate()
  const linesAfter = await recreatedLines(line)
  const recreatedSaid = Object.fromEntries(Object.entries(linesAfter).map(([name, lines]) => [name, lines - (linesBefore[name] ?? 0)]))
  return { counts, said, cutUnread, recreatedSaid }
}

/** Lines of the services' logs that say that a topic was recreated. */
async function recreatedLines({ services }: Session['line']): Promise<Readonly<Record<string, number>>> {
  const lines: Record<string, number> = {}
  for (const consumer of CONSUMERS) {
    const text = await readFile(services.logOf(consumer), 'utf8')
    lines[consumer] = text.split('\n').filter((each) => each.includes('recreated')).length
  }
  return lines
}

function recordsIn(cuts: ReadonlyMap<string, Cut>): number {
  return [...cuts.values()].reduce((sum, { from, to }) => sum + Number(to - from), 0)
}
