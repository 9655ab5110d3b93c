import type { DecodedMessage } from './guess-payload.ts'
import { isTree } from './leaves.ts'

type State = 'ready' | 'sleeping' | 'lost'

const STATES: Readonly<Record<string, State>> = {
  online: 'ready',
  available: 'ready',
  connected: 'ready',
  alive: 'ready',
  true: 'ready',
  offline: 'lost',
  unavailable: 'lost',
  disconnected: 'lost',
  lost: 'lost',
  dead: 'lost',
  false: 'lost',
  sleep: 'sleeping',
  sleeping: 'sleeping',
  asleep: 'sleeping',
}
/** Last levels of topics on which devices say whether they are there. */
const TOPIC = /(?:^|\/)(?:lwt|online|status|state|availability|connected|available|connection)$/i
const PAIRS: readonly (readonly [string, string])[] = [
  ['online', 'offline'],
  ['available', 'unavailable'],
  ['connected', 'disconnected'],
  ['true', 'false'],
  ['alive', 'dead'],
]

/** What a message says of whether its device is there. */
export interface StatusText {
  readonly text: string
  readonly path: '$' | '$.state' | '$.status'
}

/** Undefined if it is no status. */
export function statusText({ message, tree }: DecodedMessage): StatusText | undefined {
  const found: StatusText | undefined = isTree(tree)
    ? typeof tree.state === 'string' && Object.keys(tree).length === 1
      ? { text: tree.state, path: '$.state' }
      : typeof tree.status === 'string' && Object.keys(tree).length === 1
        ? { text: tree.status, path: '$.status' }
        : undefined
    : typeof tree === 'string' || typeof tree === 'boolean'
      ? { text: String(tree), path: '$' }
      : undefined
  return found !== undefined && TOPIC.test(message.topic) && Object.hasOwn(STATES, found.text.toLowerCase()) ? found : undefined
}

/** The map of a status: the texts seen, and those that belong to them. */
export function statusMap(texts: readonly string[]): ReadonlyMap<string, State> {
  const map = new Map<string, State>()
  for (const text of texts) {
    const pair = PAIRS.find((each) => each.includes(text.toLowerCase())) ?? [text.toLowerCase()]
    for (const word of pair) {
      const state = STATES[word]
      if (state !== undefined) map.set(inCase(word, text), state)
    }
  }
  return map
}

/** A word in the case of another: `Offline` as `Online` is written. */
function inCase(word: string, like: string): string {
  if (like === like.toUpperCase()) return word.toUpperCase()
  return like[0] === like[0]?.toUpperCase() ? `${word[0]?.toUpperCase()}${word.slice(1)}` : word
}
