import { UnreadableBatch } from './decompress.ts'

/**
 * Zigzag varint of an integer below 2^52: the timestamps of one batch may be more than 2^31 ms
 * apart.
 */
export function writeVarint(batch: Buffer, start: number, value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  let at = start
  while (rest > 0x7f) {
    batch[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  batch[at++] = rest
  return at
}

export function varintSize(value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  let size = 1
  while (rest > 0x7f) {
    size++
    rest = Math.floor(rest / 128)
  }
  return size
}

/**
 * Reads zigzag varints below 2^53, and bytes behind their length.
 * @throws UnreadableBatch at the end of the source
 */
export class VarintReader {
  readonly source: Buffer
  at: number
  constructor(source: Buffer, at: number) {
    this.source = source
    this.at = at
  }

  read(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.source[this.at++]
      if (byte === undefined) throw new UnreadableBatch('it ends within a number')
      value += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 128
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  bytes(): Buffer | null {
    const length = this.read()
    if (length < 0) return null
    const start = this.at
    this.at += length
    return this.source.subarray(start, this.at)
  }
}
