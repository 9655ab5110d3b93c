import type { Log, Position } from '../connectors/contract.ts'

/** Tells Kafka the offsets that a database decides, for lag tools. */
export interface KafkaOffsets extends AsyncDisposable {
  /** Where partitions are now: Kafka is told soon, and again until it has taken it. */
  tell(positions: readonly Position[]): void
  /** What was told so far is of no account any more: the partitions are assigned anew. */
  forget(): void
}

export interface KafkaOffsetsOptions {
  readonly commit: (positions: readonly Position[]) => Promise<void>
  readonly log: Log
  readonly everyMs?: number
}

const TELL_MS = 1_000
/** Everything again, whether it has changed or not: what Kafka took, it or somebody else may have lost. */
const AGAIN_TICKS = 30
/** At the end there is one more attempt, and it must not hold up a service that stops while Kafka is away. */
const LAST_MS = 2_000

/**
 * A commit to Kafka that is lost changes nothing but what is seen: it is tried again, also if no record comes, because nobody else would. It is no more than
 * one a second, whatever the number of transactions.
 */
export function createKafkaOffsets({ commit, log, everyMs = TELL_MS }: KafkaOffsetsOptions): KafkaOffsets {
  const positions = new Map<string, Position>()
  const untold = new Set<string>()
  let ticks = 0
  let telling: Promise<void> | undefined

  async function tellNow(): Promise<void> {
    const told = [...untold].flatMap((place) => positions.get(place) ?? [])
    untold.clear()
    if (told.length === 0) return
    try {
      await commit(told)
    } catch (cause) {
      log.info('Kafka did not take the offsets; the database has them', { cause: String(cause) })
      for (const { topic, partition } of told) untold.add(`${topic}/${partition}`)
    }
  }

  function turn(): Promise<void> {
    telling ??= tellNow().finally(() => {
      telling = undefined
    })
    return telling
  }

  const timer = setInterval(() => {
    if (++ticks % AGAIN_TICKS === 0) for (const place of positions.keys()) untold.add(place)
    void turn()
  }, everyMs)
  timer.unref()

  return {
    tell(now) {
      for (const position of now) {
        const place = `${position.topic}/${position.partition}`
        positions.set(place, position)
        untold.add(place)
      }
    },
    forget() {
      positions.clear()
      untold.clear()
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      const last = (telling ?? Promise.resolve()).then(tellNow)
      await Promise.race([last, new Promise((resolve) => setTimeout(resolve, LAST_MS).unref())])
    },
  }
}
