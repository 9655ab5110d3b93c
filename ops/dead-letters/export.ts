import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Topic } from '../../processors/contract.ts'
import { type FoundLetter, type LetterFilter, matches } from '../../processors/letters.ts'
import { visible } from '../../processors/visible.ts'
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
  let failure: NodeJS.ErrnoException | undefined
  const fail = (cause: NodeJS.ErrnoException): void => {
    failure = cause
  }
  out.on('error', fail)
  try {
    await source.read(topic, (found) => {
      if (failure !== undefined) throw failure
      if (found === null || !matches(found.letter, filter)) return undefined
      letters++
      const state = settled === undefined ? 'unknown' : (settled.get(found.partition)?.get(found.offset) ?? 'open')
      // Whoever reads it may be slower than Kafka.
      return out.write(`${exported(found, state)}\n`) ? undefined : once(out, 'drain').then(() => undefined)
    })
  } catch (cause) {
    // Whoever read it has seen enough, as `head` has.
    if ((cause as NodeJS.ErrnoException).code === 'EPIPE') return letters
    throw cause
  } finally {
    out.off('error', fail)
  }
  if (path !== undefined) {
    out.end()
    await once(out, 'finish')
  }
  return letters
}

/** One letter as a line of JSON. */
export function exported({ topic, partition, offset, letter }: FoundLetter, state: string): string {
  const { key, value, records, source_timestamp, first_failed, last_failed, ...rest } = letter
  // A line of JSON, and one that a terminal may be given.
  return visible(
    JSON.stringify({
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
    }),
  )
}
