import { MOST_DAYS, NEWEST_DAYS, OLDEST_DAYS } from '../../processors/time-bounds.ts'
import { CodecError } from '../../processors/translate/codecs/codec.ts'
import type { CompiledDialect, DialectSample, DialectState, RawMessage } from '../../processors/translate/translation.ts'
import { quantities } from '../../schemas/generated/readings.ts'

/** A sample as people read it. */
export interface ShownSample {
  readonly device: string
  readonly channel: string | null
  /** ISO 8601, to the millisecond, or to the microsecond if it has some. */
  readonly ts: string
  readonly estimated: boolean
  /** In standard units. */
  readonly values: Readonly<Record<string, number>>
}

export interface ShownRejection {
  readonly reason: string
  readonly detail: string
  readonly quantities: readonly string[]
}

/** What becomes of a message, as far as that can be told without the devices that are known. */
export type Translated =
  | { readonly tag: 'no-topic' }
  /** Without a state: what was retained has been cleared, or it is no status, with the problem. */
  | { readonly tag: 'status'; readonly state: DialectState | undefined; readonly problem: string | undefined; readonly pattern: string }
  | {
      readonly tag: 'telemetry'
      readonly pattern: string
      readonly captures: Readonly<Record<string, string>>
      readonly key: string
      readonly samples: readonly ShownSample[]
      readonly rejections: readonly ShownRejection[]
      readonly ignored: string | null
    }

const MICROS_PER_DAY = 86_400_000_000

/**
 * Translates a message as translate does, with ranges and bounds of time.
 * @param explain is told step by step what is found
 */
export function translateMessage(dialect: CompiledDialect, message: RawMessage, explain?: (step: string) => void): Translated {
  const status = readStatus(dialect, message)
  if (status !== undefined) return status
  const pattern = dialect.topics.find(({ match }) => match(message.topic) !== undefined)
  const captures = dialect.match(message.topic)
  if (captures === undefined || pattern === undefined) return { tag: 'no-topic' }
  const { samples, rejections, ignored } = dialect.translate(message, captures, explain)
  const checked = samples.map((sample) => check(sample, message.receivedMicros))
  return {
    tag: 'telemetry',
    pattern: pattern.text,
    captures: { ...captures },
    key: dialect.key(message.topic, captures),
    samples: checked.flatMap(({ sample }) => (sample === undefined ? [] : [sample])),
    rejections: [
      ...rejections.map(({ reason, detail, quantities: of }) => ({ reason, detail, quantities: of })),
      ...checked.flatMap(({ rejections: own }) => own),
      ...tooManyDays(samples),
    ],
    ignored,
  }
}

function readStatus({ status }: CompiledDialect, { topic, payload }: RawMessage): Translated | undefined {
  const captures = status?.topic.match(topic)
  if (status === undefined || captures === undefined) return undefined
  const common = { tag: 'status', pattern: status.topic.text } as const
  try {
    return { ...common, state: status.read(payload, captures), problem: undefined }
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    return { ...common, state: undefined, problem: cause.message }
  }
}

/** What is left of a sample within the ranges of readings.avsc and the bounds of time. */
function check(
  sample: DialectSample,
  receivedMicros: number,
): { readonly sample: ShownSample | undefined; readonly rejections: readonly ShownRejection[] } {
  const ts = isoTime(sample.micros)
  const days = (sample.micros - receivedMicros) / MICROS_PER_DAY
  if (days < -OLDEST_DAYS || days > NEWEST_DAYS) {
    const detail = `${ts}: expected at most ${OLDEST_DAYS} days before and ${NEWEST_DAYS} day after the receipt, ${isoTime(receivedMicros)}`
    return { sample: undefined, rejections: [{ reason: 'time-out-of-range', detail, quantities: [] }] }
  }
  const values: Record<string, number> = {}
  const rejections: ShownRejection[] = []
  for (const [index, { name, minimum, maximum, unit }] of quantities.entries()) {
    const value = sample.values[index] ?? Number.NaN
    if (Number.isNaN(value)) continue
    if (value >= minimum && value <= maximum) values[name] = value
    else
      rejections.push({ reason: 'out-of-range', detail: `${name} ${value} ${unit}: expected ${minimum} to ${maximum}`, quantities: [name] })
  }
  const { device, channel, estimated } = sample
  return { sample: Object.keys(values).length === 0 ? undefined : { device, channel, ts, estimated, values }, rejections }
}

function tooManyDays(samples: readonly DialectSample[]): readonly ShownRejection[] {
  const days = new Map<string, Set<number>>()
  for (const { device, micros } of samples) days.set(device, (days.get(device) ?? new Set()).add(Math.floor(micros / MICROS_PER_DAY)))
  return [...days].flatMap(([device, of]) =>
    of.size > MOST_DAYS
      ? [{ reason: 'span-too-long', detail: `samples of ${device} are of ${of.size} days: expected at most ${MOST_DAYS}`, quantities: [] }]
      : [],
  )
}

/** Microseconds since 1970 as ISO 8601. */
export function isoTime(micros: number): string {
  const ms = Math.floor(micros / 1_000)
  const rest = micros - ms * 1_000
  const text = new Date(ms).toISOString()
  return rest === 0 ? text : text.replace('Z', `${String(rest).padStart(3, '0')}Z`)
}
