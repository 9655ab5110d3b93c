import { openAdmin } from '../../connectors/kafka/client.ts'
import { type Extent, scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { topicNames } from '../../connectors/kafka/topics.ts'
import type { Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetter } from '../../processors/dead-letter.ts'
import { deadTopic } from '../../processors/topics.ts'
import { readQuantities, readSchema } from '../../schemas/files.ts'
import { address, quiet, testDatabase, testKafka } from '../pipeline/stack-clients.ts'

/** What came of what devices sent. */
export interface Outcomes extends AsyncDisposable {
  /** Number of rows of a device. */
  rows(device: string): Promise<number>
  /**
   * Its rows in order of time; `tsMicros` counts from 1970. Quantities that a row does not have are
   * left out.
   */
  readings(device: string): Promise<readonly Reading[]>
  /**
   * Dead letters since `openOutcomes`, of these devices, or of all: by key, or by a level of the
   * MQTT topic. In order of their topic.
   */
  deadLetters(...devices: readonly string[]): Promise<readonly DeadLetter[]>
  /** `processor reason` of each of those dead letters, sorted. */
  reasons(...devices: readonly string[]): Promise<readonly string[]>
  /** A question of the test's own to the telemetry database. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
}

export interface Reading {
  readonly tsMicros: number
  readonly estimated: boolean
  readonly values: Readonly<Record<string, number>>
}

const quantities = readQuantities().map(({ name }) => name)

/** @param processors whose dead letters are looked at */
export async function openOutcomes(processors: readonly string[] = ['bridge', 'standardise', 'translate', 'store']): Promise<Outcomes> {
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const kafka = testKafka('test-outcomes')
  const topics = processors.map(deadTopic)
  const database = testDatabase(address('TELEMETRY_DATABASE_URL'))
  // A test that crashes PostgreSQL crashes this connection too; what is asked next fails.
  database.on('error', () => undefined)
  await database.connect()
  const begins = new Map<Topic, ReadonlyMap<number, bigint>>()
  for (const topic of topics) {
    const extents = await extentsOf(topic)
    begins.set(topic, new Map(extents.map(({ partition, end }) => [partition, end])))
  }

  /** A topic that is not there yet has no dead letters. */
  async function extentsOf(topic: Topic): Promise<readonly Extent[]> {
    await using admin = openAdmin(kafka)
    return (await topicNames(admin)).includes(topic) ? await topicExtents(kafka, topic) : []
  }

  async function deadLetters(...devices: readonly string[]): Promise<readonly DeadLetter[]> {
    const found: DeadLetter[] = []
    for (const topic of topics) {
      const begin = begins.get(topic)
      const extents = (await extentsOf(topic)).map((extent) => ({ ...extent, earliest: begin?.get(extent.partition) ?? extent.earliest }))
      await scanTopic({
        kafka,
        topic,
        extents,
        log: quiet,
        signal: new AbortController().signal,
        handle: async ({ records }) => {
          for (const { value } of records) {
            if (value === null) continue
            const deadLetter = codec.decode(value)
            if (devices.length === 0 || devices.some((device) => isOf(deadLetter, device))) found.push(deadLetter)
          }
        },
      })
    }
    return found
  }

  return {
    async rows(device) {
      const { rows } = await database.query<{ count: string }>('SELECT count(*) FROM readings WHERE device_id = $1', [device])
      return Number(rows[0]?.count)
    },
    async readings(device) {
      const { rows } = await database.query<Record<string, unknown>>(
        'SELECT *, (extract(epoch FROM ts) * 1000000)::bigint AS micros FROM readings WHERE device_id = $1 ORDER BY ts',
        [device],
      )
      return rows.map((row) => ({
        tsMicros: Number(row.micros),
        estimated: row.time_estimated === true,
        values: Object.fromEntries(quantities.flatMap((name) => (typeof row[name] === 'number' ? [[name, row[name]]] : []))),
      }))
    },
    deadLetters,
    reasons: async (...devices) => (await deadLetters(...devices)).map(({ processor, reason }) => `${processor} ${reason}`).sort(),
    query: async (text, values = []) => (await database.query<Record<string, unknown>>(text, [...values])).rows,
    async [Symbol.asyncDispose]() {
      await database.end()
    },
  }
}

function isOf({ key, source_topic }: DeadLetter, device: string): boolean {
  return key?.toString() === device || source_topic.split('/').includes(device)
}
