import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import avro from 'avsc'
import { readSchema } from '../../schemas/files.ts'

/** A frame that a device had acknowledged, and what must be stored of it. */
export interface LedgerFrame {
  readonly device: string
  readonly boot: number
  readonly seq: number
  /** Of the datum, as `datumHash` gives it. */
  readonly hash: string
  readonly samples: readonly ExpectedSample[]
}

export interface ExpectedSample {
  readonly tsMs: number
  /** By the name of the standard quantity. */
  readonly values: ReadonlyMap<string, number | null>
}

/** C3 01 and the fingerprint. */
const FRAME_HEADER_BYTES = 10
const FRAME_COLUMN = 9

interface Metric {
  readonly name: string
  readonly standard: string
  readonly missing: number
  readonly convert: (raw: number) => number
}

/**
 * Turns frames into samples in standard units without any of the code under test: avsc decodes, and
 * each value is worked out in decimal digits from what the firmware's schema declares.
 */
export function frameDecoder(
  firmware: string,
): (frame: Buffer) => { readonly boot: number; readonly seq: number; samples: ExpectedSample[] } {
  const { json } = readSchema(`firmware/${firmware}`)
  const type = avro.Type.forSchema(json as avro.Schema)
  const metrics = metricsOf(json as { readonly fields: readonly Field[] })
  return (frame) => {
    const datum = type.fromBuffer(frame.subarray(FRAME_HEADER_BYTES)) as Record<string, number | readonly number[]>
    const samples: ExpectedSample[] = []
    const raw = metrics.map(() => 0)
    let tsMs = datum.base as number
    ;(datum.dt as readonly number[]).forEach((dt, index) => {
      tsMs += dt
      const values = new Map<string, number | null>()
      metrics.forEach(({ name, standard, missing, convert }, column) => {
        const differences = datum[name] as readonly number[]
        const value = ((raw[column] ?? 0) + (differences[index] ?? 0)) | 0
        raw[column] = value
        values.set(standard, differences.length === 0 || value === missing ? null : convert(value))
      })
      samples.push({ tsMs, values })
    })
    return { boot: datum.boot as number, seq: datum.seq as number, samples }
  }
}

/** Every line of a ledger that was written with --ledger-frames. */
export async function* readLedger(path: string, firmware: string): AsyncGenerator<LedgerFrame> {
  const decode = frameDecoder(firmware)
  let header = true
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (header) {
      header = false
      continue
    }
    const columns = line.split(',')
    const frame = Buffer.from(columns[FRAME_COLUMN] ?? '', 'hex')
    const { boot, seq, samples } = decode(frame)
    if (boot !== Number(columns[1]) || seq !== Number(columns[2])) throw new Error(`${path}: the frame is not the line's: ${line}`)
    yield { device: columns[0] ?? '', boot, seq, hash: datumHash(frame.subarray(FRAME_HEADER_BYTES)), samples }
  }
}

/** Tells two data apart; short, for there are many. */
export function datumHash(datum: Uint8Array): string {
  return createHash('sha1').update(datum).digest('base64').slice(0, 12)
}

interface Field {
  readonly name: string
  readonly standard?: string
  readonly scale?: string
  readonly offset?: string
  readonly missing?: number
  readonly map?: Readonly<Record<string, number>>
}

function metricsOf({ fields }: { readonly fields: readonly Field[] }): readonly Metric[] {
  return fields.flatMap(({ name, standard, scale = '1', offset = '0', missing = Number.NaN, map }) => {
    if (standard === undefined) return []
    const convert = map === undefined ? decimalConversion(scale, offset) : (raw: number) => map[String(raw)] ?? Number.NaN
    return [{ name, standard, missing, convert }]
  })
}

/**
 * raw × scale + offset in whole numbers of the last decimal place, so that the one rounding is that
 * of reading the digits.
 */
function decimalConversion(scale: string, offset: string): (raw: number) => number {
  const places = Math.max(...[scale, offset].map((text) => text.split('.')[1]?.length ?? 0))
  const whole = (text: string): bigint => {
    const [before = '', after = ''] = text.split('.')
    return BigInt(before + after.padEnd(places, '0'))
  }
  const [factor, addend] = [whole(scale), whole(offset)]
  return (raw) => Number(`${BigInt(raw) * factor + addend}e-${places}`)
}
