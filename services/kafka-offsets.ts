import type { Log, Position } from '../connectors/contract.ts'

/**
 * Commits to Kafka how far a consumer is. If a database decides where it resumes, this is for lag
 * tools.
 */
export interface KafkaOffsets extends AsyncDisposable {
  /**
   * Notes the positions of partitions. They are committed to Kafka soon, and again until Kafka has
   * them.
   */
  tell(positions: readonly Position[]): void
  /** Drops what was noted, because the partitions are assigned anew. */
  forget(): void
}

export interface KafkaOffsetsOptions {
  readonly commit: (positions: readonly Position[]) => Promise<void>
  readonly log: Log
  readonly everyMs?: number
  readonly deadlineMs?: number
}

const TELL_MS = 1_000
/**
 * After this many ticks everything is committed again, changed or not: Kafka, or somebody else, may
 * have lost what it took.
 */
const AGAIN_TICKS = 30
/**
 * At the end there is one more attempt. It must not hold up a service that stops while Kafka is
 * away.
 */
const LAST_MS = 2_000
/** A commit without an answer after this long is made again. */
const DEADLINE_MS = 10_000

/**
 * A commit that is lost is made again, even if no record comes, because nothing else would make it.
 * There is one commit at a time: an older one that came after a newer one would put the offsets
 * back. There is at most one a second, whatever the number of transactions.
 */
export function createKafkaOffsets({ commit, log, everyMs = TELL_MS, deadlineMs = DEADLINE_MS }: KafkaOffsetsOptions): KafkaOffsets {
  const positions = new Map<string, Position>()
  const untold = new Set<string>()
  let ticks = 0
  let refused = false
  let telling: Promise<void> | undefined

  async function tellNow(): Promise<void> {
    const told = [...untold].flatMap((place) => positions.get(place) ?? [])
    untold.clear()
    if (told.length === 0) return
    const again = (): void => {
      for (const { topic, partition } of told) untold.add(`${topic}/${partition}`)
    }
    let late = false
    const committing = commit(told).finally(() => {
      // This commit may have come after a newer one.
      if (late) again()
    })
    let deadline: NodeJS.Timeout | undefined
    const passed = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => {
        late = true
        reject(new Error(`no answer within ${deadlineMs} ms`))
      }, deadlineMs).unref()
    })
    try {
      await Promise.race([committing, passed])
      if (refused) log.info('Kafka takes the offsets again')
      refused = false
    } catch (cause) {
      if (!refused) log.info('Kafka did not take the offsets; it is told again', { cause: String(cause) })
      refused = true
      again()
    } finally {
      clearTimeout(deadline)
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
