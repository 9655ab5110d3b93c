import { MalformedError } from '../../schemas/frame-reader.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { createRawReader } from '../../schemas/raw-reader.ts'
import { requireWireHeader, WIRE_BYTES } from '../../schemas/wire-format.ts'
import { resolved } from '../avro.ts'
import {
  type DeviceId,
  defineProcessor,
  drop,
  emit,
  type Lookups,
  type Outcome,
  parseDeviceId,
  type RecordPart,
  reject,
  type Source,
} from '../contract.ts'
import { narrowed } from '../rejections.ts'
import { SampleColumns } from '../sample-columns.ts'
import { printable, shown } from '../shown.ts'
import { MOST_DAYS } from '../time-bounds.ts'
import { readings, topics } from '../topics.ts'
import { type IgnoreReason, type Reason, reasons } from './reasons.ts'
import type { CompiledDialect, DialectRejection, DialectSample, Translation } from './translation.ts'

/** What a message says of one device, or of one channel of it. */
interface DeviceSamples {
  readonly tag: 'samples'
  /** Kafka key of the message: who published it. */
  readonly identity: string
  readonly receivedMs: number
  readonly dialect: CompiledDialect
  /** At least one, all of one device and channel, and all with a time that is estimated or not. */
  readonly samples: readonly DialectSample[]
  readonly only: RecordPart | undefined
}

/** A part of a message, or all of it, that the dialect could not translate. */
interface Untranslated {
  readonly tag: 'untranslated'
  readonly rejection: DialectRejection
}

/** A message that is left out on purpose. */
interface Ignored {
  readonly tag: 'ignored'
  readonly reason: IgnoreReason
}

/** A message is an input for each device and channel in it, and for each thing wrong with it. */
type Item = DeviceSamples | Untranslated | Ignored

const readerOf = resolved(createRawReader)

const messages: Source<Item> = {
  topic: topics.raw,
  needs: ['schema', 'dialect'],
  decode: (record, lookups, each) => {
    const { key, timestampMs: receivedMs, only } = record
    const value = requireWireHeader(record.value)
    const { topic, payload, received, retained } = readerOf(value, record, lookups).read(value, WIRE_BYTES)
    let given = 0
    const item = (value: Item): void => {
      given++
      each(value, null)
    }
    const refuse = (reason: Reason, detail: string): void =>
      item({ tag: 'untranslated', rejection: { reason, detail, samples: only?.samples ?? [], quantities: only?.quantities ?? [] } })
    if (key === null) return refuse('bad-key', `${shown(topic)} came without a key`)
    const found = lookups.dialect(topic)
    if (found === undefined)
      return refuse('unknown-topic', `no dialect takes ${shown(topic)}; once one does: millrace redrive translate --reason unknown-topic`)
    const { dialect, captures } = found
    const translation = dialect.translate({ topic, payload, receivedMicros: received, retained }, captures)
    requirePart(translation, only)
    for (const rejection of translation.rejections) {
      const own = only === undefined ? rejection : narrowed(rejection, only)
      if (own !== undefined) item({ tag: 'untranslated', rejection: own })
    }
    if (translation.ignored !== null) item({ tag: 'ignored', reason: translation.ignored })
    const identity = key.toString('utf8')
    for (const samples of byDevice(translation.samples, only)) item({ tag: 'samples', identity, receivedMs, dialect, samples, only })
    if (given === 0) refuse('nothing-found', describeGone(only))
  },
}

/**
 * A redrive is about samples by their number. If the dialect finds others by now, nobody can say
 * which these were: the message is redriven as a whole then.
 * @throws MalformedError
 */
function requirePart({ samples, rejections, ignored }: Translation, only: RecordPart | undefined): void {
  if (only === undefined || only.samples.length === 0 || ignored !== null) return
  const found = new Set([...samples.map(({ index }) => index), ...rejections.flatMap((rejection) => rejection.samples)])
  if (rejections.some((rejection) => rejection.samples.length === 0)) return
  const gone = only.samples.find((number) => !found.has(number))
  if (gone !== undefined) throw new MalformedError(`the dialect finds no sample ${gone} in the message any more`)
}

/** Numbers of samples in a detail; the dead letter has all. */
const MOST_NAMED = 5

/** What is found is all about other parts of the message, which have dead letters of their own. */
function describeGone({ samples = [], quantities: wanted = [] }: Partial<RecordPart> = {}): string {
  return `the dialect finds no ${wanted.join(', ') || 'value'} in ${samples.length === 0 ? 'the message' : `sample ${samples.slice(0, MOST_NAMED).join(', ')}`} any more`
}

/** Those of a part, by device and channel, in the order of the message. */
function byDevice(samples: readonly DialectSample[], only: RecordPart | undefined): Iterable<readonly DialectSample[]> {
  const [first] = samples
  // Most messages are about one device at one time.
  if (samples.length === 1 && only === undefined && first !== undefined) return [samples]
  const wanted = only === undefined || only.samples.length === 0 ? undefined : new Set(only.samples)
  const devices = new Map<string, DialectSample[]>()
  for (const sample of samples) {
    const { device, channel, estimated, index } = sample
    if (wanted !== undefined && !wanted.has(index)) continue
    const name = `${estimated ? '~' : '='}${subDevice(device, channel)}`
    const own = devices.get(name)
    if (own === undefined) devices.set(name, [sample])
    else own.push(sample)
  }
  return devices.values()
}

/** As rows name it. */
function subDevice(device: string, channel: string | null): string {
  return channel === null ? device : `${device}/${channel}`
}

type To = { readonly readings: typeof readings }

/** Used for one input after the other: what is emitted is encoded before the next is handled. */
const columns = new SampleColumns<Reason>()

/**
 * Translate ▸ enrich: messages of devices with firmware of others become readings in standard
 * units, by the dialect of their topic, with account and site as of the reading's own time. Its
 * output is a pure function of the message, its receipt, the dialect, the devices and the rules of
 * gateways.
 */
export const processor = defineProcessor({
  from: messages,
  to: { readings },
  needs: ['assignments', 'speaksFor'],
  reasons,
  metricsPort: 9469,
  handle: (item, lookups) => {
    switch (item.tag) {
      case 'untranslated': {
        const { reason, detail, samples, quantities: names } = item.rejection
        return reject(reason, detail, samples, names)
      }
      case 'ignored':
        return drop(item.reason)
      case 'samples':
        return translated(item, lookups)
    }
  },
})

function translated(item: DeviceSamples, lookups: Lookups): Outcome<To, Reason> | readonly Outcome<To, Reason>[] {
  const { identity, dialect, samples, receivedMs, only } = item
  const [first] = samples as readonly [DialectSample]
  const numbers = samples.map(({ index }) => index)
  const device = parseDeviceId(first.device)
  if (device === undefined)
    return reject('bad-device-id', `expected a device ID, got ${shown(first.device)}`, numbers, only?.quantities ?? [])
  const deviceId = Buffer.from(device, 'latin1')
  // Most devices speak for themselves: the record has their key, and is judged for them.
  const key = device === identity ? undefined : deviceId
  const refuse = (reason: 'unknown-device' | 'not-via-this-gateway', detail: string): Outcome<To, Reason> =>
    dialect.unknownDevices === 'ignore'
      ? drop('unknown-device' satisfies IgnoreReason)
      : reject(reason, detail, numbers, only?.quantities ?? [], key)
  if (!first.fromTopic && device !== identity && !lookups.speaksFor(identity, device))
    return refuse('not-via-this-gateway', notViaThisGateway(device, identity))
  const assignments = lookups.assignments(device)
  if (assignments === undefined)
    return refuse('unknown-device', `${device} is not in the app database: millrace devices add ${device} --account ACCOUNT`)

  fill(samples, numbers, receivedMs, lookups.oldestDays)
  columns.assign(assignments)
  const days = columns.tooManyDays()
  if (days > 0)
    return reject(
      'span-too-long',
      `samples of ${device} fall on ${days} days; expected at most ${MOST_DAYS}`,
      numbers,
      only?.quantities ?? [],
      key,
    )
  if (only !== undefined) columns.restrict(only)
  const outcomes: Outcome<To, Reason>[] = columns.rejections.map(({ reason, detail, samples: own, quantities: names }) =>
    reject(reason, `${device}: ${detail}`, own, names, key),
  )
  if (columns.isEmpty()) return outcomes.length === 0 ? drop('no-reading' satisfies IgnoreReason) : outcomes
  const head = {
    deviceId: first.channel === null ? deviceId : Buffer.from(subDevice(device, first.channel), 'latin1'),
    firmware: nameOf(dialect),
    boot: 0,
    seq: 0,
    dropped: 0,
    timeEstimated: first.estimated,
  }
  outcomes.push(emit('readings', columns.under(head), key))
  return outcomes
}

function fill(samples: readonly DialectSample[], numbers: readonly number[], receivedMs: number, oldestDays: number | undefined): void {
  columns.begin(samples.length, numbers)
  for (let sample = 0; sample < samples.length; sample++) columns.ts[sample] = (samples[sample] as DialectSample).micros
  columns.judgeTimes(receivedMs, oldestDays)
  for (let quantity = 0; quantity < quantities.length; quantity++) fillQuantity(samples, quantity)
  // Devices with a topic for each value give no time: the other half comes in another message.
  if (samples[0]?.estimated === false) columns.judgePositions()
  columns.excludeEmpty()
}

function fillQuantity(samples: readonly DialectSample[], quantity: number): void {
  let column: Float64Array | undefined
  for (let sample = 0; sample < samples.length; sample++) {
    const value = (samples[sample] as DialectSample).values[quantity] as number
    if (Number.isNaN(value)) {
      if (column !== undefined) column[sample] = value
      continue
    }
    const { minimum, maximum } = quantities[quantity] as (typeof quantities)[number]
    const isWithin = value >= minimum && value <= maximum
    if (isWithin && column === undefined) column = columns.column(quantity).fill(Number.NaN, 0, sample)
    if (column !== undefined) column[sample] = isWithin ? value : Number.NaN
    if (!isWithin) columns.rejectOutOfRange(sample, quantity, value)
  }
  if (column === undefined) columns.absent(quantity)
}

/** Longest name of a gateway that there can be a rule of. */
const MOST_GATEWAY_BYTES = 512

function notViaThisGateway(device: DeviceId, identity: string): string {
  if (Buffer.byteLength(identity) > MOST_GATEWAY_BYTES)
    return `${device} may not come via ${shown(identity)}: its name is longer than the ${MOST_GATEWAY_BYTES} bytes of which there can be a rule`
  const gateway = quoted(printable(identity))
  return `${device} may not come via ${gateway}. If it may: millrace devices via ${gateway} ${device}, or for a new device millrace devices add ${device} --account ACCOUNT --via ${gateway}`
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[A-Za-z0-9][\w.:@%+=,/-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

const names = new WeakMap<CompiledDialect, Buffer>()

/**
 * What readings have as firmware, as in tasmota@3. No firmware's ID has an @, so nobody looks for
 * frame numbers.
 */
function nameOf(dialect: CompiledDialect): Buffer {
  let name = names.get(dialect)
  if (name === undefined) {
    name = Buffer.from(`${dialect.name}@${dialect.version}`, 'utf8')
    names.set(dialect, name)
  }
  return name
}
