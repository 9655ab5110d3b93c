import { table } from '../ops/text-table.ts'
import { bridge } from '../processors/bridge/declaration.ts'
import { UNKNOWN_PAGE, type UnknownPage, type UnknownTopicEntry } from '../services/bridge/unknown-page.ts'
import { loadConfig } from '../services/config.ts'
import { serviceAddress } from '../services/metrics-ports.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/** The bridge answers at once, or something is wrong. */
const ANSWER_MS = 5_000
const SHOWN_CHARACTERS = 60

/**
 * `millrace topics unknown [--json]`: MQTT topics that no route and no dialect takes. Asks the
 * bridge.
 */
export async function unknownTopics({ config: file, json }: ConfigOption & { readonly json?: true | undefined }): Promise<number> {
  const config = loadConfig(process.env, file)
  const address = `${serviceAddress(config, bridge)}${UNKNOWN_PAGE}`
  const page = await ask(address)
  if (json === true) print(JSON.stringify(page))
  else print(...lines(page))
  return 0
}

async function ask(address: string): Promise<UnknownPage> {
  let answer: Response
  try {
    answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS) })
  } catch (cause) {
    const because = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    throw new Error(`the bridge does not answer at ${address}: ${because instanceof Error ? because.message : String(because)}`, { cause })
  }
  if (!answer.ok) throw new Error(`the bridge does not answer at ${address}: expected HTTP status 200, got ${answer.status}`)
  return (await answer.json()) as UnknownPage
}

function lines({ mode, everything, since, messages, topics }: UnknownPage): readonly string[] {
  const heard = everything
    ? 'The bridge hears every topic that the broker lets it read.'
    : mode === 'ignore'
      ? 'The bridge hears only what its routes and dialects subscribe to: set bridge.unknown_topics to count to hear all.'
      : 'The broker does not grant a subscription to #, so the bridge hears only what its routes and dialects subscribe to.'
  if (topics.length === 0) return [`No unknown topic since ${since}. ${heard}`]
  const rows = topics.map((each) => [each.topic, String(each.messages), String(each.retained), each.last, exampleOf(each)])
  return [
    ...table([['topic', 'messages', 'retained', 'last', 'example'], ...rows], ['left', 'right', 'right', 'left', 'left']),
    '',
    `${messages} messages since ${since}. ${heard}`,
  ]
}

function exampleOf({ empty, messages, example: { text, hex, bytes } }: UnknownTopicEntry): string {
  if (empty === messages) return '(no bytes)'
  const shown = text ?? `${hex} (hex)`
  return shown.length > SHOWN_CHARACTERS || (text !== undefined && Buffer.byteLength(text) < bytes)
    ? `${shown.slice(0, SHOWN_CHARACTERS)}… (${bytes} bytes)`
    : shown
}
