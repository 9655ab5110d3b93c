import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Topic } from '../../processors/contract.ts'
import { type DeadLetterFilter, type FoundDeadLetter, matches } from '../../processors/found-dead-letters.ts'
import { visible } from '../../processors/visible.ts'
import type { DeadLetters } from './reader.ts'

/**
 * Writes dead letters as NDJSON, the original bytes and the key in base64, to a file or standard
 * output.
 * @returns the number of dead letters
 */
export async function exportDeadLetters(
  source: DeadLetters,
  topic: Topic,
  filter: DeadLetterFilter,
  path: string | undefined,
): Promise<number> {
  const settled = await source.settled(topic)
  const out: Writable = path === undefined ? process.stdout : createWriteStream(path, { flags: 'wx' })
  if (path !== undefined) await once(out, 'open')
  let deadLetters = 0
  let failure: NodeJS.ErrnoException | undefined
  const fail = (cause: NodeJS.ErrnoException): void => {
    failure = cause
  }
  out.on('error', fail)
  try {
    await source.read(topic, (found) => {
      if (failure !== undefined) throw failure
      if (found === null || !matches(found.deadLetter, filter)) return undefined
      deadLetters++
      const state = settled === undefined ? 'unknown' : (settled.get(found.partition)?.get(found.offset) ?? 'open')
      // The reader may be slower than Kafka.
      return out.write(`${exported(found, state)}\n`) ? undefined : once(out, 'drain').then(() => undefined)
    })
  } catch (cause) {
    // The reader has closed the pipe, as `head` does.
    if ((cause as NodeJS.ErrnoException).code === 'EPIPE') return deadLetters
    throw cause
  } finally {
    out.off('error', fail)
  }
  if (path !== undefined) {
    out.end()
    await once(out, 'finish')
  }
  return deadLetters
}

/** One dead letter as a line of JSON. */
export function exported({ topic, partition, offset, deadLetter }: FoundDeadLetter, state: string): string {
  const { key, value, records, source_timestamp, first_failed, last_failed, ...rest } = deadLetter
  // Control characters are escaped, so that a terminal may show the line.
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
