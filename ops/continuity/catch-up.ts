import type { ConsumedBatch, Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import type { KnownDevices } from '../../connectors/postgres/known-devices.ts'
import type { FirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import type { Flight } from '../../processors/continuity/frame-counts.ts'
import { FrameHead, ReadingsHead } from '../../processors/continuity/heads.ts'
import { Intake } from '../../processors/continuity/intake.ts'
import { type BootKey, Ledger, type LoadedBoots } from '../../processors/continuity/ledger.ts'
import { RangeSet } from '../../processors/continuity/ranges.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec } from '../../processors/dead-letter.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { store } from '../../processors/store/declaration.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import { prepareSchemas } from '../../services/continuity/service.ts'
import { schemasOf } from '../../services/lookups.ts'
import { readTail, type Tails } from './tails.ts'

export interface CatchUpOptions {
  readonly kafka: KafkaClient
  readonly firmwares: FirmwareDirectory
  readonly devices: KnownDevices
  readonly tails: Tails
  /** Only records of this device; null for all. */
  readonly device: string | null
  readonly log: Log
  readonly signal: AbortSignal
}

/** The ledger as of now. */
export interface CaughtUp {
  /** The boots that the tails have records of. */
  readonly ledger: Ledger
  /** Frames and readings of a boot that are on their way. */
  readonly inFlight: (device: string, boot: number) => Flight | undefined
  /**
   * By device: records of boots that were not looked at, because the device has too many boots in
   * the tails. A repeat counts again.
   */
  readonly passedOver: ReadonlyMap<string, number>
  /** Frames on their way under names that are no devices. */
  readonly strange: number
}

type Load = (keys: readonly BootKey[]) => Promise<LoadedBoots>

/**
 * Most boots of one device that are looked at. The tails are some seconds of what came in: no
 * working device has so many boots in them.
 */
const MOST_BOOTS = 1_000
const JSON_FIRMWARE = 'generic-json'

/**
 * Does in memory what the service would do next: takes dead letters and committed readings, and
 * notes what is on its way.
 */
export async function catchUp(options: CatchUpOptions, load: Load): Promise<CaughtUp> {
  const { kafka, firmwares, devices, tails, device } = options
  const ledger = new Ledger()
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const counters = { readings: 0, deadLetters: 0, unreadable: 0 }
  const isDevice = (id: string): boolean => devices.has(id)
  const intake = new Intake({ ledger, schemas: firmwares, isDevice, decode: (value) => codec.decode(value), counters })
  const looked = new Map<string, Set<number>>()
  const passedOver = new Map<string, number>()
  const flying = new Map<string, Map<number, { numbers: RangeSet; receivedMs: number }>>()
  let strange = 0
  const readings = new ReadingsHead()
  const frame = new FrameHead()
  const name = device === null ? undefined : Buffer.from(device, 'latin1')
  const asked = ({ records }: ConsumedBatch): readonly KafkaRecord[] =>
    name === undefined ? records : records.filter(({ key }) => key?.equals(name) === true)

  /** Whether a boot is looked at. The first `MOST_BOOTS` of each device are. */
  function looksAt({ device: id, boot }: BootKey): boolean {
    const boots = looked.get(id) ?? new Set()
    looked.set(id, boots)
    if (boots.size < MOST_BOOTS) boots.add(boot)
    return boots.has(boot)
  }

  function passOver(id: string): void {
    passedOver.set(id, (passedOver.get(id) ?? 0) + 1)
  }

  async function install(absent: readonly BootKey[], known: (id: string) => boolean): Promise<void> {
    const wanted = absent.filter(looksAt)
    if (wanted.length > 0) ledger.admit(wanted, await load(wanted), -1, known)
  }

  function fly(id: string, boot: number, seq: number, receivedMs: number): void {
    if (!looksAt({ device: id, boot })) {
      passOver(id)
      return
    }
    const boots = flying.get(id) ?? new Map<number, { numbers: RangeSet; receivedMs: number }>()
    const flight = boots.get(boot) ?? { numbers: new RangeSet(), receivedMs }
    flying.set(id, boots.set(boot, flight))
    flight.numbers.add(seq)
    flight.receivedMs = Math.max(flight.receivedMs, receivedMs)
  }

  /**
   * Where the tail of the readings begins. Dead letters of the store about earlier readings change
   * nothing any more.
   */
  const taken = (partition: number): bigint | undefined =>
    tails.extents.get(topics.readings)?.find((extent) => extent.partition === partition)?.earliest

  async function takeDeadLetters(batch: ConsumedBatch): Promise<void> {
    const deadLetters = intake.open(asked(batch), batch.partition)
    await prepareSchemas(firmwares, deadLetters)
    await devices.ask(deadLetters.map(({ device: id }) => id))
    await install(intake.absentOfDeadLetters(deadLetters), isDevice)
    for (const deadLetter of deadLetters) if (!intake.deadLetter(deadLetter, taken, false)) passOver(deadLetter.device)
  }

  async function takeReadings(batch: ConsumedBatch): Promise<void> {
    const records = asked(batch)
    const until = tails.stored.get(batch.partition) ?? 0n
    await install(intake.absentOfReadings(records, 0), () => true)
    for (const record of records) {
      if (record.offset >= until) readable(() => flyReadings(record))
      else if (!intake.reading(record, batch.partition, false)) passOver(record.key?.toString('latin1') ?? '')
    }
  }

  function flyReadings({ key, value, timestampMs }: KafkaRecord): void {
    if (key === null || value === null) return
    readings.read(value)
    if (readings.numbered) fly(key.toString('latin1'), readings.boot, readings.seq, timestampMs)
  }

  async function takeFrames(batch: ConsumedBatch): Promise<void> {
    const records = asked(batch)
    await firmwares.prepare(schemasOf(records))
    await devices.ask(records.flatMap(({ key }) => (key === null ? [] : [key.toString('latin1')])))
    for (const record of records) readable(() => flyFrame(record))
  }

  function flyFrame(record: KafkaRecord): void {
    const { key, value, timestampMs } = record
    if (key === null || !hasWireHeader(value)) return
    const found = firmwares.firmware(schemaIdOf(value), fingerprintOf(record))
    if (found.tag === 'unknown' || (found.tag === 'known' && found.firmware.id === JSON_FIRMWARE)) return
    frame.read(value, WIRE_BYTES)
    const id = key.toString('latin1')
    if (devices.has(id)) fly(id, frame.boot, frame.seq, timestampMs)
    else strange++
  }

  // The store's dead letters first: they say which of the readings have no row.
  const own: readonly Topic[] = [deadTopic(store.name), topics.readings, topics.frames]
  for (const topic of [deadTopic(store.name), ...[...tails.extents.keys()].filter((each) => !own.includes(each))])
    await readTail(kafka, tails, topic, options, takeDeadLetters)
  await readTail(kafka, tails, topics.readings, options, takeReadings)
  await readTail(kafka, tails, topics.frames, options, takeFrames)
  await install(
    [...flying].flatMap(([id, boots]) =>
      [...boots.keys()].filter((boot) => ledger.find(id, boot) === undefined).map((boot) => ({ device: id, boot })),
    ),
    () => true,
  )
  return { ledger, inFlight: (id, boot) => flying.get(id)?.get(boot), passedOver, strange }
}

/** Leaves out what cannot be read. It will become a dead letter, and is counted then. */
function readable(work: () => void): void {
  try {
    work()
  } catch (cause) {
    if (!(cause instanceof MalformedError)) throw cause
  }
}
