import type { RecordHeader, RecordHeaders } from '../../processors/contract.ts'
import { UnreadableBatch } from './decompress.ts'
import { VarintReader, varintSize, writeVarint } from './varint.ts'

/** Encoded headers, by the object that records share. */
const encoded = new WeakMap<RecordHeaders, Buffer>()
/**
 * The last headers asked for. Records of one firmware come in rows, and this is ten times as fast
 * as the map.
 */
let lastHeaders: RecordHeaders | undefined
let lastBytes: Buffer = Buffer.from([0])

/**
 * Headers as they end a record: their number, then each one's name and value. The bytes are kept
 * for the object: do not change it afterwards.
 */
export function encodeHeaders(headers: RecordHeaders): Buffer {
  if (headers === lastHeaders) return lastBytes
  let bytes = encoded.get(headers)
  if (bytes === undefined) {
    bytes = encode(headers)
    encoded.set(headers, bytes)
  }
  lastHeaders = headers
  lastBytes = bytes
  return bytes
}

function encode(headers: RecordHeaders): Buffer {
  const parts: Buffer[] = [varint(headers.length)]
  for (const { name, value } of headers) {
    const text = Buffer.from(name, 'utf8')
    parts.push(varint(text.length), text, varint(value === null ? -1 : value.length))
    if (value !== null) parts.push(value)
  }
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintSize(value))
  writeVarint(bytes, 0, value)
  return bytes
}

interface Seen {
  readonly start: number
  readonly end: number
  readonly headers: RecordHeaders
}

/** Different headers of a batch that are remembered, for firmwares whose frames take turns. */
const MOST_SEEN = 8

/**
 * Decodes the headers of one batch's records. Records with the same headers get the same object.
 */
export class HeadersReader {
  private readonly source: Buffer
  private readonly seen: Seen[] = []

  /** @param source where the records are, decompressed */
  constructor(source: Buffer) {
    this.source = source
  }

  /** @param at where the number of headers is */
  read(at: number): RecordHeaders {
    for (const each of this.seen) if (this.repeats(each, at)) return each.headers
    const reader = new VarintReader(this.source, at)
    const headers: RecordHeader[] = []
    try {
      for (let left = reader.read(); left > 0; left--) {
        const name = reader.bytes()
        headers.push({ name: name === null ? '' : name.toString('utf8'), value: reader.bytes() })
      }
    } catch (cause) {
      // The key, the value and the headers so far are whole: it would be wrong to lose the record.
      if (!(cause instanceof UnreadableBatch)) throw cause
    }
    if (this.seen.length < MOST_SEEN) this.seen.push({ start: at, end: reader.at, headers })
    return headers
  }

  /** Headers say where they end. So the same bytes are the same headers, whatever follows. */
  private repeats({ start, end }: Seen, at: number): boolean {
    for (let from = start, to = at; from < end; from++, to++) if (this.source[from] !== this.source[to]) return false
    return true
  }
}
