import type { Log } from '../../connectors/contract.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { topicExtents } from '../../connectors/kafka/scan.ts'
import { offsetsAt } from '../../connectors/kafka/topics.ts'
import { processOutputs } from '../../connectors/postgres/outbox.ts'
import { LOCK_MS, type ShadowedProcess, STATEMENT_MS, shadowProcess, TRANSACTION_MS } from '../../connectors/postgres/process-shadow.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import type { DeclaredProcess } from '../../processors/declaration.ts'
import { type DeviceInputs, inputsByDevice, withLookups } from '../../processors/process.ts'
import type { Config } from '../../services/config.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { openLookups } from '../../services/lookups.ts'
import { UNDECODABLE } from '../../services/processor/engine.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { Slice } from './processor.ts'
import { createRange, sliceEnd } from './range.ts'

export interface ProcessShadowRun {
  readonly config: Config
  readonly declared: DeclaredProcess
  readonly slice: Slice
  readonly log: Log
  readonly signal: AbortSignal
}

/** Most inputs of one transaction: they are in memory together. */
export const MOST_PROCESS_INPUTS = 5_000

/** What a process would do with a slice of its topic, from the state that the database has now. */
export interface ProcessShadowReport extends ShadowedProcess {
  readonly inputs: number
  /** Records and devices that it rejects, by reason. */
  readonly reasons: ReadonlyMap<string, number>
  /** Whether there were more inputs than were taken. */
  readonly cutShort: boolean
}

/** What a run holds, before it begins. */
export const LOCKS_WARNING = `one transaction of the app database, which is rolled back: for up to ${(TRANSACTION_MS + STATEMENT_MS) / 1000} s it holds the locks of the rows that it changes, and the live process waits for them; it waits ${LOCK_MS} ms itself`

/** Reads the inputs first: the transaction does not wait for Kafka. */
export async function shadowBusinessProcess({ config, declared, slice, log, signal }: ProcessShadowRun): Promise<ProcessShadowReport> {
  const { name, businessProcess } = declared
  const topic = businessProcess.from.topic
  const kafka = kafkaClient(config, 'millrace-shadow', log)
  await using admin = openAdmin(kafka)
  await using reader = createRecordReader(kafka)
  const range = createRange({ reader, log, signal })
  await using lookups = await openLookups(businessProcess, { config, log, signal, readOnly: true })
  const persist = <Result>(doing: string, work: () => Promise<Result>): Promise<Result> => throughOutages(doing, work, { log, signal })
  const firsts = await persist('asking for offsets', () => offsetsAt(admin, topic, slice.fromMs))
  const ends = await persist('asking for offsets', () => offsetsAt(admin, topic, slice.toMs))
  const devices: DeviceInputs<unknown>[] = []
  const reasons = new Map<string, number>()
  const count = (reason: string): void => void reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  const most = Math.min(slice.most, MOST_PROCESS_INPUTS)
  let inputs = 0
  let cutShort = false
  for (const { partition, end } of await persist('asking for offsets', () => topicExtents(kafka, topic))) {
    const begin = firsts.get(partition) ?? end
    for await (const records of range(topic, partition, begin, sliceEnd(begin, ends.get(partition), end))) {
      const chosen = records.filter((record) => isChosen(record, slice)).slice(0, most - inputs + 1)
      if (chosen.length > most - inputs) {
        cutShort = true
        chosen.pop()
      }
      inputs += chosen.length
      await lookups.prepare(chosen)
      const { devices: found, undecodable } = inputsByDevice(businessProcess, chosen, lookups)
      for (const each of found) devices.push(each)
      for (const _ of undecodable) count(UNDECODABLE)
      if (cutShort) break
    }
    if (cutShort) break
  }
  // What it looks up is as it was for the last inputs.
  const handled = withLookups(businessProcess, { ...lookups })
  const done = await shadowProcess({
    url: config.env.APP_DATABASE_URL,
    consumer: name,
    businessProcess: handled,
    outputs: processOutputs(name, businessProcess, new Map(), new Map()),
    devices,
    signal,
  })
  for (const { reason } of done.rejections) count(reason)
  return { ...done, inputs, reasons, cutShort }
}

function isChosen({ key, timestampMs }: KafkaRecord, { fromMs, toMs, devices }: Slice): boolean {
  return timestampMs >= fromMs && timestampMs < toMs && (devices.size === 0 || devices.has(key?.toString('utf8') ?? ''))
}

/** Lines for people. */
export function processLines(name: string, report: ProcessShadowReport): readonly string[] {
  const { inputs, devices, tables, reasons, rejections, stopped, cutShort } = report
  return [
    `${name}: ${whole(inputs)} inputs, ${whole(devices)} times a device's part of a batch was handled; all of it was rolled back`,
    ...(tables.length === 0
      ? ['it would change no rows']
      : table(
          [
            ['table', 'inserted', 'updated', 'deleted'],
            ...tables.map(({ table: each, inserted, updated, deleted }) => [each, whole(inserted), whole(updated), whole(deleted)]),
          ],
          ['left', 'right', 'right', 'right'],
        )),
    ...[...reasons].map(([reason, times]) => {
      const example = rejections.find((rejection) => rejection.reason === reason)
      return `rejected: ${whole(times)} ${reason}${example === undefined ? '' : `, as ${example.device}: ${example.detail}`}`
    }),
    ...(stopped === undefined ? [] : [`it ended early: ${stopped}`]),
    ...(cutShort ? [`only the first ${whole(inputs)} inputs: see --most`] : []),
  ]
}
