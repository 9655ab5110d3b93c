import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { quantities } from '../../schemas/generated/readings.ts'
import { parseIso8601 } from '../iso8601.ts'
import type { CompiledDialect, DialectSample, RawMessage, Translation } from './translation.ts'

/**
 * A message as a device sends it, and what must come of it. Examples lie beside the dialects, in
 * `examples/`, as JSON.
 */
export interface Example {
  /** Name of the dialect. */
  readonly dialect: string
  readonly message: RawMessage
  readonly expected: 'no-topic' | Outcome
}

interface Outcome {
  readonly samples: readonly ExampleSample[]
  readonly rejections: readonly { readonly reason: string; readonly quantities: readonly string[] }[]
  readonly ignored: string | null
}

interface ExampleSample {
  /** With its channel: `device/channel`. */
  readonly device: string
  readonly micros: number
  readonly estimated: boolean
  readonly values: Readonly<Record<string, number>>
}

/** A file that is no example. The message names the place and what was expected. */
export class ExampleError extends Error {
  readonly code = 'EXAMPLE'
  readonly transient = false
}

const time = z.string().transform((text, context) => {
  const micros = parseIso8601(text)
  if (Number.isNaN(micros)) context.issues.push({ code: 'custom', message: 'expected ISO 8601 with Z', input: text })
  return micros
})

const file = z.strictObject({
  dialect: z.string(),
  topic: z.string(),
  received: time,
  retained: z.boolean().default(false),
  /** The topic as the firmware has it, if the broker changes it. */
  native_topic: z.string().optional(),
  payload_json: z.unknown().optional(),
  payload_text: z.string().optional(),
  payload_hex: z
    .string()
    .regex(/^(?:[0-9a-f]{2})*$/)
    .optional(),
  expect: z.union([
    z.strictObject({ tag: z.literal('no-topic') }),
    z.strictObject({
      samples: z.array(z.strictObject({ device: z.string(), ts: time, estimated: z.boolean(), values: z.record(z.string(), z.number()) })),
      rejections: z.array(z.strictObject({ reason: z.string(), quantities: z.array(z.string()).default([]) })).default([]),
      ignored: z.string().optional(),
    }),
  ]),
})

/** @throws ExampleError */
export function parseExample(text: string): Example {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new ExampleError(`expected JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const result = file.safeParse(json)
  if (!result.success) throw new ExampleError(result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  const { dialect, topic, received, retained, payload_json, payload_text, payload_hex, expect } = result.data
  const payloads = [
    payload_json === undefined ? [] : [Buffer.from(JSON.stringify(payload_json))],
    payload_text === undefined ? [] : [Buffer.from(payload_text)],
    payload_hex === undefined ? [] : [Buffer.from(payload_hex, 'hex')],
  ].flat()
  const [payload] = payloads
  if (payload === undefined || payloads.length > 1) throw new ExampleError('expected one of payload_json, payload_text and payload_hex')
  return {
    dialect,
    message: { topic, payload, receivedMicros: received, retained },
    expected:
      'tag' in expect
        ? 'no-topic'
        : {
            samples: expect.samples.map(({ ts, ...sample }) => ({ ...sample, micros: ts })),
            rejections: expect.rejections,
            // A message of which nothing comes may be left out for any reason, unless one is given.
            ignored: expect.ignored ?? null,
          },
  }
}

/**
 * What comes of an example that should not, or should and does not; empty if all is as expected.
 */
export function exampleFaults(dialect: CompiledDialect, { message, expected }: Example): readonly string[] {
  const captures = dialect.match(message.topic)
  if (captures === undefined) return expected === 'no-topic' ? [] : [`no topic of ${dialect.name} takes ${message.topic}`]
  if (expected === 'no-topic') return [`a topic of ${dialect.name} takes ${message.topic}, expected none`]
  const found = outcomeOf(dialect.translate(message, captures))
  const faults: string[] = []
  const compare = (what: string, given: unknown, wanted: unknown): void => {
    if (!isDeepStrictEqual(given, wanted)) faults.push(`${what}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(given)}`)
  }
  compare('samples', found.samples.map(sorted), expected.samples.map(sorted))
  compare('rejections', found.rejections, expected.rejections)
  if (expected.ignored !== null) compare('ignored', found.ignored, expected.ignored)
  return faults
}

/** What comes of a message, as an example says it. */
export function outcomeOf({ samples, rejections, ignored }: Translation): Outcome {
  return {
    samples: samples.map((sample) => ({
      device: sample.channel === null ? sample.device : `${sample.device}/${sample.channel}`,
      micros: sample.micros,
      estimated: sample.estimated,
      values: valuesOf(sample),
    })),
    rejections: rejections.map(({ reason, quantities: names }) => ({ reason, quantities: [...names] })),
    ignored,
  }
}

/** The values of a sample by the names of their quantities. */
export function valuesOf({ values }: Pick<DialectSample, 'values'>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    quantities.flatMap(({ name }, index) => (Number.isNaN(values[index]) ? [] : [[name, values[index] as number] as const])),
  )
}

function sorted(sample: ExampleSample): unknown {
  return { ...sample, values: Object.fromEntries(Object.entries(sample.values).sort(([a], [b]) => (a < b ? -1 : 1))) }
}
