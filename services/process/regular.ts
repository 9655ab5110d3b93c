import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { committedOffsets } from '../../connectors/kafka/committed-positions.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { type ProcessOutputs, runAlone } from '../../connectors/postgres/outbox.ts'
import type { Topic } from '../../processors/contract.ts'
import type { DeclaredProcess } from '../../processors/declaration.ts'
import type { Regularly, Transaction } from '../../processors/process.ts'
import { topics } from '../../processors/topics.ts'
import type { Config } from '../config.ts'
import { declaredServices } from '../declared.ts'
import { kafkaClient } from '../kafka.ts'
import { Listening, type Reader } from './listening.ts'
import { repeated } from './repeated.ts'

export interface RegularOptions {
  readonly config: Config
  readonly declared: Pick<DeclaredProcess, 'name' | 'businessProcess'>
  readonly regularly: Regularly<Transaction>
  readonly outputs: ProcessOutputs
  readonly clock: Clock
  readonly log: Log
  readonly problem: (what: string | null) => void
}

/** Does what a process does regularly. Of several instances one at a time does it. */
export function startRegular(options: RegularOptions): AsyncDisposable {
  const { config, declared, regularly, outputs, clock, log, problem } = options
  const { name, businessProcess } = declared
  const { topic } = businessProcess.from
  const database = createDatabase({ url: config.env.APP_DATABASE_URL, applicationName: `millrace ${name} regularly` })
  // Of its own: those of the service are closed before it.
  const kafka = kafkaClient(config, `millrace-${name}-regularly`, log)
  const admin = openAdmin(kafka)
  const logs = openTopicLogs(kafka)

  const inDatabase = async (): Promise<ReadonlyMap<number, bigint>> => {
    const rows = await database.use((session) =>
      session.query<{ partition: number; next_offset: bigint }>(
        `reading how far ${name} is`,
        'SELECT partition, next_offset FROM consumer_offset WHERE consumer = $1 AND topic = $2',
        [name, topic],
      ),
    )
    return new Map(rows.map(({ partition, next_offset: next }) => [partition, next]))
  }
  const inKafka = async (group: string, of: Topic): Promise<ReadonlyMap<number, bigint>> => {
    const committed = await committedOffsets(admin, group, of)
    return new Map([...committed].map(([partition, { nextOffset }]) => [partition, nextOffset]))
  }
  const upstream = async (): Promise<readonly Reader[]> => {
    const writers = (await declaredServices(config)).filter(
      ({ kind, writes }) => kind === 'processor' && writes.some((written) => written.topic === topic),
    )
    return writers.flatMap(({ name: group, reads }) => reads.map((of) => ({ topic: of, positions: () => inKafka(group, of) })))
  }
  const own: Reader = { topic, positions: inDatabase }
  const listening = new Listening({ logs, upstream, own, pulse: topics.pulse, monotonicMs: () => clock.monotonicMs() })

  const running = repeated({
    doing: `what ${name} does regularly`,
    everyMs: regularly.everyMs,
    sparing: true,
    clock,
    log,
    problem,
    async work() {
      const behindSeconds = await listening.look()
      await database.use((session) => runAlone(session, name, outputs, (tx) => regularly.handle(tx, behindSeconds)))
      return false
    },
  })
  return {
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await admin[Symbol.asyncDispose]()
      await logs[Symbol.asyncDispose]()
    },
  }
}
