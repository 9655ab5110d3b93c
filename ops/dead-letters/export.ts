import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Topic } from '../../processors/contract.ts'
import { type FoundLetter, type LetterFilter, matches } from '../../processors/letters.ts'
import type { DeadLetters } from './letters.ts'

/**
 * Writes letters as NDJSON, the original bytes and the key in base64, to a file or standard output.
 * @returns the number of letters
 */
export async function exportLetters(source: DeadLetters, topic: Topic, filter: LetterFilter, path: string | undefined): Promise<number> {
  const settled = await source.settled(topic)
  const out: Writable = path === undefined ? process.stdout : createWriteStream(path, { flags: 'wx' })
  if (path !== undefined) await once(out, 'open')
  let letters = 0
  await source.read(topic, (found) => {
    if (found === null || !matches(found.letter, filter)) return
    letters++
    out.write(`${exported(found, settled === undefined ? 'unknown' : (settled.get(found.partition)?.get(found.offset) ?? 'open'))}\n`)
  })
  if (path !== undefined) {
    out.end()
    await once(out, 'finish')
  }
  return letters
}

/** One letter as a line of JSON. */
export function exported({ topic, partition, offset, letter }: FoundLetter, state: string): string {
  const { key, value, records, source_timestamp, first_failed, last_failed, ...rest } = letter
  return JSON.stringify({
    topic,
    partition,
    offset: Number(offset),
    state,
    ...rest,
    source_timestamp: new Date(source_timestamp).toISOString(),
    first_failed: new Date(first_failed).toISOString(),
    last_failed: new Date(last_failed).toISOString(),
    device: key?.toString('utf8') ?? null,
    key_base64: key?.toString('base64') ?? null,
    value_base64: value?.toString('base64') ?? null,
    records: records.map(({ offset: at, timestamp, head }) => ({
      offset: at,
      timestamp: new Date(timestamp).toISOString(),
      head_base64: head.toString('base64'),
    })),
  })
}
