/** How far the store has come on a partition of the readings. */
interface Position {
  readonly partition: number
  readonly nextOffset: bigint
  /** Epoch of the leader that it read from; -1 if it is not known. */
  readonly leaderEpoch: number
}

/** Where the store's dead letters end on one of their partitions. */
interface DeadLetterEnd {
  readonly partition: number
  readonly end: bigint
}

/** Says up to where readings count as stored. */
export interface StoreGate {
  /** Whether one of these positions differs from what is known. */
  news(positions: readonly Position[]): boolean
  /**
   * Learns positions of the store, and the ends of its dead letters as they were after that. A
   * position counts once the dead letters have been read to that end: only then is it known which
   * samples have no row.
   * @param deadLetters of a partition of the readings: the ends of the partitions that its dead
   *   letters may be on
   */
  learn(positions: readonly Position[], deadLetters: (partition: number) => readonly DeadLetterEnd[]): void
  /**
   * First offset of a partition's readings that must wait.
   * @param deadLettersRead how far a partition of the store's dead letters has been read
   * @param leaderEpoch of the readings. The store's position in a log that was cut since says
   *   nothing of what a later leader wrote
   */
  until(partition: number, deadLettersRead: (partition: number) => bigint, leaderEpoch: number): bigint
  /**
   * Epoch of the leader that the store had read from when it was at `until`; -1 if it is not
   * known.
   */
  leaderEpoch(partition: number): number
}

interface Place {
  until: bigint
  untilEpoch: number
  /** The next `until`, and what must have been read for it. */
  next: bigint
  nextEpoch: number
  deadLetters: readonly DeadLetterEnd[]
}

export function createStoreGate(): StoreGate {
  const places = new Map<number, Place>()

  return {
    news: (positions) =>
      positions.some(({ partition, nextOffset, leaderEpoch }) => {
        const place = places.get(partition)
        return place === undefined || nextOffset !== place.next || leaderEpoch !== place.nextEpoch
      }),
    learn(positions, deadLetters) {
      for (const { partition, nextOffset, leaderEpoch } of positions) {
        const place = places.get(partition) ?? { until: 0n, untilEpoch: -1, next: 0n, nextEpoch: -1, deadLetters: [] }
        places.set(partition, place)
        // The store went back because Kafka's log was cut. What it had stored beyond is no longer
        // what the log has.
        if (nextOffset < place.until) place.until = nextOffset
        // A position that still waits for its dead letters comes first. Otherwise dead letters that
        // never stop would hold everything up for ever.
        else if (nextOffset >= place.next && place.next > place.until) continue
        place.next = nextOffset
        place.nextEpoch = leaderEpoch
        place.deadLetters = deadLetters(partition)
      }
    },
    until(partition, deadLettersRead, leaderEpoch) {
      const place = places.get(partition)
      if (place === undefined) return 0n
      if (place.deadLetters.every((deadLetters) => deadLettersRead(deadLetters.partition) >= deadLetters.end)) {
        place.until = place.next
        place.untilEpoch = place.nextEpoch
      }
      return place.untilEpoch >= 0 && leaderEpoch > place.untilEpoch ? 0n : place.until
    },
    leaderEpoch: (partition) => places.get(partition)?.untilEpoch ?? -1,
  }
}
