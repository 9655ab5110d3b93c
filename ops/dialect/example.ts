import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { CodecError } from '../../processors/translate/codecs/codec.ts'
import { decodeJson } from '../../processors/translate/codecs/json.ts'
import type { CompiledDialect, RawMessage } from '../../processors/translate/translation.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { type Translated, translateMessage } from './translated.ts'

/** A message, and what must come of it. docs/dialects.md describes the file. */
export interface Example {
  /** As messages name it: a path. */
  readonly file: string
  readonly dialect: string
  readonly message: RawMessage
  readonly expect: Expected
}

export interface ExpectedSample {
  readonly device: string
  readonly channel?: string | null | undefined
  /** ISO 8601, as in 2026-11-29T03:30:04.000Z. */
  readonly ts: string
  readonly estimated: boolean
  readonly values: Readonly<Record<string, number>>
}

export interface Expected {
  readonly samples?: readonly ExpectedSample[] | undefined
  readonly rejections?: readonly { readonly reason: string; readonly quantities?: readonly string[] | undefined }[] | undefined
  readonly ignored?: string | undefined
  readonly status?: { readonly device: string; readonly state: string } | undefined
  /** That no pattern of the dialect takes the topic. */
  readonly tag?: 'no-topic' | undefined
}

/** A file that is no example. The message names the file, the place and what was expected. */
export class ExampleError extends Error {
  readonly code = 'EXAMPLE'
  readonly transient = false
}

const moment = z.iso.datetime({ offset: true, error: 'expected a time with its zone, as in 2026-11-29T03:30:05.250Z' })
const names = new Set<string>(quantities.map(({ name }) => name))
const quantity = z.string().refine((name) => names.has(name), { error: 'expected a standard quantity' })

const shape = z
  .strictObject({
    dialect: z.string(),
    topic: z.string().min(1),
    received: moment,
    retained: z.boolean().default(false),
    note: z.string().optional(),
    native_topic: z.string().optional(),
    payload_json: z.unknown().optional(),
    payload_text: z.string().optional(),
    payload_hex: z
      .string()
      .regex(/^(?:[0-9a-fA-F]{2})*$/, { error: 'expected bytes in hexadecimal' })
      .optional(),
    payload_base64: z.base64({ error: 'expected base64' }).optional(),
    expect: z.strictObject({
      samples: z
        .array(
          z.strictObject({
            device: z.string(),
            channel: z.string().nullable().optional(),
            ts: moment,
            estimated: z.boolean(),
            values: z.record(quantity, z.number()),
          }),
        )
        .optional(),
      rejections: z.array(z.strictObject({ reason: z.string(), quantities: z.array(quantity).optional() })).optional(),
      ignored: z.string().optional(),
      status: z.strictObject({ device: z.string(), state: z.string() }).optional(),
      tag: z.literal('no-topic').optional(),
    }),
  })
  .superRefine((given, context) => {
    const payloads = [given.payload_json, given.payload_text, given.payload_hex, given.payload_base64].filter((each) => each !== undefined)
    if (payloads.length !== 1) context.addIssue('expected one of payload_json, payload_text, payload_hex and payload_base64')
    if (Object.keys(given.expect).length === 0) context.addIssue('expect: expected one of samples, rejections, ignored, status and tag')
  })

/**
 * Reads an example.
 * @throws ExampleError
 */
export function parseExample(text: string, file: string): Example {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new ExampleError(`${file}: expected JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const result = shape.safeParse(json)
  if (!result.success)
    throw new ExampleError(
      result.error.issues.map((issue) => `${file}: ${[...issue.path.map(String), issue.message].join(': ')}`).join('\n'),
    )
  const { dialect, topic, received, retained, expect } = result.data
  return {
    file,
    dialect,
    message: { topic, payload: payloadOf(result.data), receivedMicros: Date.parse(received) * 1_000, retained },
    expect,
  }
}

function payloadOf(given: z.output<typeof shape>): Buffer {
  if (given.payload_hex !== undefined) return Buffer.from(given.payload_hex, 'hex')
  if (given.payload_base64 !== undefined) return Buffer.from(given.payload_base64, 'base64')
  return Buffer.from(given.payload_text ?? JSON.stringify(given.payload_json))
}

/**
 * What a dialect makes of an example, beside what must come of it.
 * @returns a line for each field that differs; none if all is as expected
 */
export function differences(dialect: CompiledDialect, { message, expect }: Example): readonly string[] {
  const result = translateMessage(dialect, message)
  const differing: string[] = []
  const compare = (field: string, expected: unknown, got: unknown): void => {
    if (!isDeepStrictEqual(expected, got)) differing.push(`${field}: expected ${shown(expected)}, got ${shown(got)}`)
  }
  if (expect.tag === 'no-topic') {
    if (result.tag !== 'no-topic') differing.push(`expected no pattern to take the topic, got ${summary(result)}`)
    return differing
  }
  if (expect.status !== undefined) {
    if (result.tag !== 'status') return [`expected a status, got ${summary(result)}`]
    compare('status', expect.status, result.state)
    return differing
  }
  if (result.tag !== 'telemetry') return [`expected telemetry, got ${summary(result)}`]
  const { samples, rejections, ignored } = result
  compareSamples(expect.samples ?? [], samples, compare)
  compare(
    'rejections',
    (expect.rejections ?? []).map(({ reason, quantities: of = [] }) => `${reason}${of.length > 0 ? ` of ${of.join(', ')}` : ''}`),
    rejections.map(
      ({ reason, quantities: of }, index) =>
        `${reason}${of.length > 0 && (expect.rejections?.[index]?.quantities !== undefined || expect.rejections === undefined) ? ` of ${of.join(', ')}` : ''}`,
    ),
  )
  if (differing.at(-1)?.startsWith('rejections:')) differing.push(...rejections.map(({ reason, detail }) => `  ${reason}: ${detail}`))
  if (expect.ignored !== undefined) compare('ignored', expect.ignored, ignored ?? undefined)
  return differing
}

function compareSamples(
  expected: readonly ExpectedSample[],
  got: Extract<Translated, { tag: 'telemetry' }>['samples'],
  compare: (field: string, expected: unknown, got: unknown) => void,
): void {
  if (expected.length !== got.length) {
    compare('samples', expected.map(nameOf), got.map(nameOf))
    return
  }
  for (const [index, wanted] of expected.entries()) {
    const sample = got[index]
    const field = `samples[${index}]`
    if (sample === undefined) continue
    compare(`${field}.device`, nameOf(wanted), nameOf(sample))
    if (Date.parse(wanted.ts) !== Date.parse(sample.ts) || (/\.\d{4,}/.test(wanted.ts) && wanted.ts !== sample.ts))
      compare(`${field}.ts`, wanted.ts, sample.ts)
    compare(`${field}.estimated`, wanted.estimated, sample.estimated)
    for (const name of new Set([...Object.keys(wanted.values), ...Object.keys(sample.values)]))
      compare(`${field}.values.${name}`, wanted.values[name], sample.values[name])
  }
}

function nameOf({ device, channel }: { readonly device: string; readonly channel?: string | null | undefined }): string {
  return channel === null || channel === undefined ? device : `${device}/${channel}`
}

function summary(result: Translated): string {
  if (result.tag === 'no-topic') return 'a topic that no pattern takes'
  if (result.tag === 'status')
    return `a status: ${result.state === undefined ? (result.problem ?? 'cleared') : `${result.state.device} ${result.state.state}`}`
  return result.ignored === null
    ? `${result.samples.length} samples and ${result.rejections.length} rejections`
    : `ignored: ${result.ignored}`
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

/** The text of an example with what the dialect makes of the message, for a person to correct. */
export function exampleText(dialect: CompiledDialect, message: RawMessage): string {
  const result = translateMessage(dialect, message)
  const expected: Expected =
    result.tag === 'no-topic'
      ? { tag: 'no-topic' }
      : result.tag === 'status'
        ? { status: result.state ?? { device: '', state: '' } }
        : {
            samples: result.samples.map(({ device, channel, ts, estimated, values }) => ({
              device,
              ...(channel === null ? {} : { channel }),
              ts,
              estimated,
              values,
            })),
            ...(result.rejections.length === 0
              ? {}
              : { rejections: result.rejections.map(({ reason, quantities: of }) => ({ reason, quantities: of })) }),
            ...(result.ignored === null ? {} : { ignored: result.ignored }),
          }
  const example = {
    dialect: dialect.name,
    topic: message.topic,
    received: new Date(Math.floor(message.receivedMicros / 1_000)).toISOString(),
    ...(message.retained ? { retained: true } : {}),
    ...payloadMember(message.payload),
    expect: expected,
  }
  return `${JSON.stringify(example, null, 2)}\n`
}

/** The payload in the form that is easiest to read, and gives the same bytes or the same tree. */
function payloadMember(payload: Buffer): Readonly<Record<string, unknown>> {
  const text = payload.toString('utf8')
  if (!Buffer.from(text).equals(payload) || text.includes('\0')) return { payload_hex: payload.toString('hex') }
  try {
    const json = JSON.parse(text) as unknown
    const again = Buffer.from(JSON.stringify(json))
    if (typeof json === 'object' && json !== null && isDeepStrictEqual(decodeJson(payload), decodeJson(again)))
      return { payload_json: json }
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof CodecError)) throw cause
  }
  return { payload_text: text }
}
