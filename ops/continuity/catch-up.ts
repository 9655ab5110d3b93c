import type { Kafka as KafkaClient } from 'kafkajs'
import type { ConsumedBatch, Log } from '../../connectors/contract.ts'
import type { BootKey } from '../../connectors/postgres/continuity-store.ts'
import type { FirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import { FrameHead, ReadingsHead } from '../../processors/continuity/heads.ts'
import { Intake } from '../../processors/continuity/intake.ts'
import { type BootState, Ledger } from '../../processors/continuity/ledger.ts'
import { RangeSet } from '../../processors/continuity/ranges.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { prepareSchemas } from '../../services/continuity/service.ts'
import { schemasOf } from '../../services/lookups.ts'
import { readTail, type Tails } from './tails.ts'

export interface CatchUpOptions {
  readonly kafka: KafkaClient
  readonly firmwares: FirmwareDirectory
  readonly tails: Tails
  /** Only records of this device; null for all. */
  readonly device: string | null
  readonly log: Log
  readonly signal: AbortSignal
}

/** The ledger as of now. */
export interface CaughtUp {
  /** The boots that the tails are about. */
  readonly ledger: Ledger
  /** Numbers of frames and readings on their way. */
  readonly inFlight: (device: string, boot: number) => RangeSet
}

type Load = (keys: readonly BootKey[]) => Promise<readonly BootState[]>

const JSON_FIRMWARE = 'generic-json'
const WIRE_BYTES = 5

/** Does in memory what the process would do next: takes dead letters and committed readings, and notes what is on its way. */
export async function catchUp(options: CatchUpOptions, load: Load): Promise<CaughtUp> {
  const { kafka, firmwares, tails, device } = options
  const ledger = new Ledger()
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const counters = { readings: 0, letters: 0, unreadable: 0 }
  const intake = new Intake({ ledger, schemas: firmwares, decode: (value) => codec.decode(value), counters })
  const flying = new Map<string, Map<number, RangeSet>>()
  const readings = new ReadingsHead()
  const frame = new FrameHead()
  const name = device === null ? undefined : Buffer.from(device, 'latin1')
  const asked = ({ records }: ConsumedBatch): readonly KafkaRecord[] =>
    name === undefined ? records : records.filter(({ key }) => key?.equals(name) === true)

  async function install(absent: readonly BootKey[]): Promise<void> {
    if (absent.length === 0) return
    for (const state of await load(absent)) ledger.install(state.device, state.boot, state)
    for (const { device: id, boot } of absent) ledger.install(id, boot)
  }

  function fly(id: string, boot: number, seq: number): void {
    let boots = flying.get(id)
    if (boots === undefined) {
      boots = new Map()
      flying.set(id, boots)
    }
    let numbers = boots.get(boot)
    if (numbers === undefined) {
      numbers = new RangeSet()
      boots.set(boot, numbers)
    }
    numbers.add(seq)
  }

  /** Where the tail of the readings begins: letters of the store about earlier ones are of no new account. */
  const taken = (partition: number): bigint | undefined =>
    tails.extents.get(topics.readings)?.find((extent) => extent.partition === partition)?.earliest

  async function takeLetters(batch: ConsumedBatch): Promise<void> {
    const letters = intake.open(asked(batch), batch.partition)
    await prepareSchemas(firmwares, letters)
    await install(intake.absentOfLetters(letters))
    for (const letter of letters) intake.letter(letter, taken, false)
  }

  async function takeReadings(batch: ConsumedBatch): Promise<void> {
    const records = asked(batch)
    const until = tails.stored.get(batch.partition) ?? 0n
    await install(intake.absentOfReadings(records, 0))
    for (const record of records) {
      if (record.offset < until) intake.reading(record, batch.partition, false)
      else readable(() => flyReadings(record))
    }
  }

  function flyReadings({ key, value }: KafkaRecord): void {
    if (key === null || value === null) return
    readings.read(value)
    if (readings.numbered) fly(key.toString('latin1'), readings.boot, readings.seq)
  }

  async function takeFrames(batch: ConsumedBatch): Promise<void> {
    const records = asked(batch)
    await firmwares.prepare(schemasOf(records))
    for (const record of records) readable(() => flyFrame(record))
  }

  function flyFrame(record: KafkaRecord): void {
    const { key, value } = record
    if (key === null || value === null || value.length < WIRE_BYTES) return
    const found = firmwares.firmware(value.readUInt32BE(1), fingerprintOf(record))
    if (found.tag === 'unknown' || (found.tag === 'known' && found.firmware.id === JSON_FIRMWARE)) return
    frame.read(value, WIRE_BYTES)
    fly(key.toString('latin1'), frame.boot, frame.seq)
  }

  // The store's letters first: they say of which of the readings there is no row.
  for (const topic of [deadTopic('store'), deadTopic('standardise'), deadTopic('bridge')])
    await readTail(kafka, tails, topic, options, takeLetters)
  await readTail(kafka, tails, topics.readings, options, takeReadings)
  await readTail(kafka, tails, topics.frames, options, takeFrames)
  await install(
    [...flying].flatMap(([id, boots]) =>
      [...boots.keys()].filter((boot) => ledger.find(id, boot) === undefined).map((boot) => ({ device: id, boot })),
    ),
  )
  return { ledger, inFlight: (id, boot) => flying.get(id)?.get(boot) ?? new RangeSet() }
}

/** Leaves out what cannot be read: it will be a dead letter, and is counted then. */
function readable(work: () => void): void {
  try {
    work()
  } catch (cause) {
    if (!(cause instanceof MalformedError)) throw cause
  }
}
