/** How far the store has come on a partition of the readings; null where it never committed. */
interface Position {
  readonly partition: number
  readonly nextOffset: bigint | null
}

/** Up to where readings may be taken for stored. */
export interface StoreGate {
  /** Whether these positions are further on than those known. */
  news(positions: readonly Position[]): boolean
  /**
   * Learns positions of the store, and the ends of its dead letters as they were after that. A position counts once the letters have been read to
   * that end: only then is it known of which samples there is no row.
   */
  learn(positions: readonly Position[], letters: readonly { readonly partition: number; readonly end: bigint }[]): void
  /** First offset of a partition's readings that must wait, given how far its dead letters of the store have been read. */
  until(partition: number, lettersRead: bigint): bigint
}

interface Place {
  until: bigint
  /** The next `until`, and what must have been read for it. */
  next: bigint
  letters: bigint
}

export function createStoreGate(): StoreGate {
  const places = new Map<number, Place>()

  return {
    news: (positions) =>
      positions.some(({ partition, nextOffset }) => {
        const place = places.get(partition)
        return nextOffset !== null && (place === undefined || nextOffset > place.next)
      }),
    learn(positions, letters) {
      const ends = new Map(letters.map(({ partition, end }) => [partition, end]))
      for (const { partition, nextOffset } of positions) {
        const place = places.get(partition) ?? { until: 0n, next: 0n, letters: 0n }
        places.set(partition, place)
        // One that still waits for its letters comes first: otherwise letters that never stop would hold everything up for ever.
        if (nextOffset === null || place.next > place.until) continue
        place.next = nextOffset
        place.letters = ends.get(partition) ?? 0n
      }
    },
    until(partition, lettersRead) {
      const place = places.get(partition)
      if (place === undefined) return 0n
      if (lettersRead >= place.letters) place.until = place.next
      return place.until
    },
  }
}
