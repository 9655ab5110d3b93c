import { type DeviceRejection, rehearse } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import { type BusinessProcess, inputsByDevice, type Transaction, withLookups } from '../../processors/process.ts'
import { UNDECODABLE } from '../../services/processor/engine.ts'
import { kafkaRecordsOf } from './feed.ts'
import { createTestLookups, type GivenLookups, LookupNotGivenError } from './given-lookups.ts'
import type { TestRecord } from './records.ts'

/** A business process under test, in a transaction that is rolled back at the end. */
export interface ProcessTest {
  /**
   * Feeds it one micro-batch: the inputs of each device together and in the process's order, within
   * a savepoint of their own. May be called again: what came before is in the tables.
   * @returns what became no change of state, as one dead letter each: a device's reason, or
   *   `undecodable` for a record
   */
  feed(records: readonly TestRecord[]): Promise<readonly RefusedDevice[]>
  /** Inputs that it and its source have left out on purpose so far, by reason. */
  dropped(): Readonly<Record<string, number>>
  /** A statement in the same transaction: to prepare tables, and to look at them afterwards. */
  query: Transaction['query']
}

/** A device whose records become dead letters. */
export interface RefusedDevice {
  /** The key of a record that cannot be decoded; null if it has none. */
  readonly device: string | null
  readonly reason: string
  readonly detail: string
}

export interface ProcessTestOptions {
  /** App database, as APP_DATABASE_URL: `millrace migrate` has made its tables. */
  readonly url: string
  readonly lookups?: GivenLookups
}

/**
 * Tries a business process on a real database, without Kafka. All that `work` does, and that the
 * process does for it, is rolled back when it ends.
 * @throws ConnectorError if the database is at fault, as for a table that is not there
 * @throws LookupNotGivenError if the process looked up what `lookups` does not have
 */
export async function tryProcess<Item, Result>(
  businessProcess: BusinessProcess<Item>,
  { url, lookups: given = {} }: ProcessTestOptions,
  work: (test: ProcessTest) => Promise<Result>,
): Promise<Result> {
  const left = new Map<string, number>()
  const note = (dropped: ReadonlyMap<string, number>): void => {
    for (const [reason, times] of dropped) left.set(reason, (left.get(reason) ?? 0) + times)
  }
  return await rehearse(url, ({ tx, handle }) =>
    work({
      dropped: () => Object.fromEntries(left),
      query: (text, values) => tx.query(text, values),
      async feed(records) {
        const { kafkaRecords, schemas } = kafkaRecordsOf(records)
        const { lookups, missing } = createTestLookups(businessProcess, given, schemas)
        const { devices, undecodable, ...ofSource } = inputsByDevice(businessProcess, kafkaRecords, lookups)
        const { rejections, dropped } = await handle(TEST, withLookups(businessProcess, lookups), devices)
        const message = missing()
        if (message !== undefined) throw new LookupNotGivenError(message)
        note(ofSource.dropped)
        note(dropped)
        return [
          ...undecodable.map(({ record, detail }) => ({ device: record.key?.toString() ?? null, reason: UNDECODABLE, detail })),
          ...rejections.map(({ device, reason, detail }: DeviceRejection) => ({ device, reason, detail })),
        ]
      },
    }),
  )
}

const TEST = 'test' as ConsumerName
