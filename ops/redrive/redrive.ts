import { ConnectorError, type Log } from '../../connectors/contract.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { topicId } from '../../connectors/kafka/topics.ts'
import { createRedriveLog, type Ending, type RedriveLog } from '../../connectors/postgres/redrive-log.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import type { DeadLetterFilter } from '../../processors/found-dead-letters.ts'
import { deadTopic } from '../../processors/topics.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { openDeadLetterCodec } from '../../services/registered.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { version } from '../../services/version.ts'
import { openRedriveLine } from './line.ts'
import { originalsOf } from './originals.ts'
import { RedriveReport } from './report.ts'
import { createRedriveRun } from './run.ts'

export interface RedriveOptions {
  readonly config: Config
  readonly service: DeclaredService
  readonly filter: DeadLetterFilter
  /** Dead letters a second; null for as fast as it goes. */
  readonly rate: number | null
  /** Dead letters that have failed this often are left alone. */
  readonly maxAttempts: number
  /** Says what would happen, and changes nothing. */
  readonly dryRun: boolean
  /** Who began it, for the audit. */
  readonly by: string
  readonly log: Log
  /** Aborted to end it after the dead letters that are under way. */
  readonly stopping: AbortSignal
  /** Aborted to end it at once. */
  readonly signal: AbortSignal
}

/** How a redrive ended, and what it did in words. */
export interface RedriveEnd {
  readonly ending: Exclude<Ending, 'failed'>
  readonly lines: readonly string[]
}

/**
 * Runs a processor over its own dead letters once, with an audit of it in the database and the log.
 * @param report is filled while it runs
 * @throws ConfigError if another redrive of the processor is under way
 */
export async function redriveDeadLetters(options: RedriveOptions, report = new RedriveReport()): Promise<RedriveEnd> {
  const { config, service, filter, rate, maxAttempts, dryRun, by, log, stopping, signal } = options
  const asked = { processor: service.name, filter, rate, maxAttempts, dryRun }
  const topic = deadTopic(service.name)
  const kafka = kafkaClient(config, 'millrace-redrive', log)
  const id = await topicId(kafka, topic)
  await using settled: RedriveLog = createRedriveLog(config.env.TELEMETRY_DATABASE_URL)
  const filters = { ...filter, rate, maxAttempts }
  const number = dryRun ? 0n : await begin(settled, { processor: service.name, by, filters })
  log.info(dryRun ? 'dry run of a redrive' : 'redriving', { processor: service.name, run: dryRun ? null : String(number), ...filters })
  // This is read only now, because the run before this one may have ended a moment ago.
  const before = await settled.settled(topic, id)
  let ending: Ending = 'failed'
  try {
    await using line = await openRedriveLine({ config, service, run: number, topicId: id, reason: filter.reason, log, signal })
    await using reader = createRecordReader(kafka)
    const persisted = <Result>(doing: string, work: () => Promise<Result>): Promise<Result> => throughOutages(doing, work, { log, signal })
    const persist = (work: () => Promise<void>): Promise<void> => persisted('settling dead letters', work)
    const extents = await topicExtents(kafka, topic)
    const take = createRedriveRun({
      ...asked,
      way: line.way,
      codec: await openDeadLetterCodec(createRegistry(config.env.REGISTRY_URL), topic),
      version,
      settled: before,
      originals: (found) => persisted('reading the originals of dead letters', () => originalsOf(found, reader)),
      deadLetterBytes: line.limits.get(topic) ?? 0,
      publish: (deadLetters) => line.producer.send(deadLetters),
      settle: (deadLetters) => persist(() => settled.settle(number, topic, id, deadLetters)),
      report,
      stopping,
    })
    let last: Promise<void> = Promise.resolve()
    let end: RedriveEnd['ending'] = 'finished'
    try {
      await scanTopic({
        kafka,
        topic,
        extents,
        log,
        signal: stopping,
        handle: (batch) => {
          last = take(batch)
          return last
        },
      })
    } catch (cause) {
      await last.catch(() => undefined)
      if (!stopping.aborted) throw cause
      end = 'interrupted'
    }
    ending = end
    if (!dryRun && end === 'finished') {
      const earliest = extents.map(({ partition, earliest: offset }) => ({ partition, offset }))
      await persist(() => settled.forget(topic, id, earliest))
    }
    return { ending: end, lines: report.lines({ output: line.way.output, dryRun, maxAttempts }) }
  } finally {
    if (!dryRun)
      await settled
        .end(number, ending)
        .catch((cause: unknown) => log.warn('the end of the run was not written down', { cause: String(cause) }))
    audit(log, asked, number, ending, report)
  }
}

async function begin(settled: RedriveLog, run: Parameters<RedriveLog['begin']>[0]): Promise<bigint> {
  try {
    return await settled.begin(run)
  } catch (cause) {
    if (cause instanceof ConnectorError && cause.code === 'REDRIVE_RUNNING') throw new ConfigError(cause.message, { cause })
    throw cause
  }
}

function audit(
  log: Log,
  { processor, dryRun }: { readonly processor: string; readonly dryRun: boolean },
  run: bigint,
  ending: Ending,
  report: RedriveReport,
): void {
  log.info(dryRun ? 'dry run over' : 'redrive over', {
    processor,
    run: dryRun ? null : String(run),
    ending,
    deadLetters: report.deadLetters,
    succeeded: report.of('succeeded'),
    partlySucceeded: report.of('partly-succeeded'),
    failedAgain: report.of('failed-again'),
    dropped: report.of('dropped'),
    repeats: report.of('repeat'),
  })
}
