import { hostname, userInfo } from 'node:os'
import { ConnectorError, type Log } from '../connectors/contract.ts'
import { createRecordReader } from '../connectors/kafka/record-reader.ts'
import { scanTopic, topicExtents } from '../connectors/kafka/scan.ts'
import { topicId } from '../connectors/kafka/topics.ts'
import { createRedriveLog, type Ending, type RedriveLog } from '../connectors/postgres/redrive-log.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import { openRedriveLine, redrivable } from '../ops/redrive/line.ts'
import { originalsOf } from '../ops/redrive/originals.ts'
import { RedriveReport } from '../ops/redrive/report.ts'
import { createRedriveRun } from '../ops/redrive/run.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import type { DeadLetterFilter } from '../processors/found-dead-letters.ts'
import { deadTopic } from '../processors/topics.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { kafkaClient } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import { openDeadLetterCodec } from '../services/registered.ts'
import { throughOutages } from '../services/through-outages.ts'
import { version } from '../services/version.ts'
import type { ConfigOption } from './command-line.ts'
import { deadLetterFilter } from './dead-letter-options.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

/** How long a run may take, after the first signal, to finish the dead letters under way. */
const STOP_DEADLINE_MS = 10_000

interface Asked {
  readonly processor: string
  readonly filter: DeadLetterFilter
  readonly rate: number | null
  readonly maxAttempts: number
  readonly dryRun: boolean
}

type Options = ConfigOption &
  Parameters<typeof deadLetterFilter>[0] & {
    readonly rate?: number | undefined
    readonly maxAttempts: number
    readonly dryRun?: true | undefined
  }

/** `millrace redrive <processor>`: runs a processor over its own dead letters. */
export async function redrive(processor: string, options: Options): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const service = await redrivable(config, processor)
  const filter = deadLetterFilter(options)
  sayMoments({ '--from': filter.fromMs, '--to': filter.toMs })
  const { rate = null, maxAttempts, dryRun = false } = options
  return run(config, service, { processor: service.name, filter, rate, maxAttempts, dryRun })
}

async function run(config: Config, service: DeclaredService, asked: Asked): Promise<number> {
  const { processor, dryRun } = asked
  const log = createLog('redrive')
  const [stopping, abort] = [new AbortController(), new AbortController()]
  void stopSignal().then(() => {
    stopping.abort(new Error('interrupted'))
    setTimeout(() => abort.abort(new Error('interrupted')), STOP_DEADLINE_MS).unref()
  })
  const topic = deadTopic(processor)
  const kafka = kafkaClient(config, 'millrace-redrive', log)
  const id = await topicId(kafka, topic)
  await using settled: RedriveLog = createRedriveLog(config.env.TELEMETRY_DATABASE_URL)
  const filters = { ...asked.filter, rate: asked.rate, maxAttempts: asked.maxAttempts }
  const number = dryRun ? 0n : await begin(settled, { processor, by: `${userInfo().username}@${hostname()}`, filters })
  log.info(dryRun ? 'dry run of a redrive' : 'redriving', { processor, run: dryRun ? null : String(number), ...filters })
  // This is read only now, because the run before this one may have ended a moment ago.
  const before = await settled.settled(topic, id)
  const report = new RedriveReport()
  let ending: Ending = 'failed'
  try {
    await using line = await openRedriveLine({
      config,
      service,
      run: number,
      topicId: id,
      reason: asked.filter.reason,
      log,
      signal: abort.signal,
    })
    await using reader = createRecordReader(kafka)
    const persisted = <Result>(doing: string, work: () => Promise<Result>): Promise<Result> =>
      throughOutages(doing, work, { log, signal: abort.signal })
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
      stopping: stopping.signal,
    })
    let last: Promise<void> = Promise.resolve()
    try {
      await scanTopic({
        kafka,
        topic,
        extents,
        log,
        signal: stopping.signal,
        handle: (batch) => {
          last = take(batch)
          return last
        },
      })
      ending = 'finished'
    } catch (cause) {
      await last.catch(() => undefined)
      if (!stopping.signal.aborted) throw cause
      ending = 'interrupted'
    }
    print(...report.lines({ output: line.way.output, ...asked }))
    if (!dryRun && ending === 'finished') {
      const earliest = extents.map(({ partition, earliest: offset }) => ({ partition, offset }))
      await persist(() => settled.forget(topic, id, earliest))
    }
  } finally {
    if (!dryRun)
      await settled
        .end(number, ending)
        .catch((cause: unknown) => log.warn('the end of the run was not written down', { cause: String(cause) }))
    audit(log, asked, number, ending, report)
  }
  return ending === 'finished' ? 0 : 1
}

async function begin(settled: RedriveLog, run: Parameters<RedriveLog['begin']>[0]): Promise<bigint> {
  try {
    return await settled.begin(run)
  } catch (cause) {
    if (cause instanceof ConnectorError && cause.code === 'REDRIVE_RUNNING') throw new ConfigError(cause.message, { cause })
    throw cause
  }
}

function audit(log: Log, { processor, dryRun }: Asked, run: bigint, ending: Ending, report: RedriveReport): void {
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
