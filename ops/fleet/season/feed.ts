import { setTimeout as delay } from 'node:timers/promises'
import { CSV_HEADER, csvLine, type Sample } from './samples.ts'
import type { Season } from './season.ts'

/** A season's samples on their way to the fleet. */
export interface Feed {
  /** Lines of the fleet's CSV. Ends with the season, or soon after `signal`. */
  readonly lines: AsyncIterable<string>
  /** Minute of the season up to which samples were handed on. */
  reached(): number
}

const TURN_MS = 200

/**
 * Hands on the samples at a pace at which the season takes so many seconds, or longer if who takes
 * them is slower.
 */
export function feedSeason(season: Season, samples: readonly Sample[], seconds: number, signal: AbortSignal): Feed {
  let reached = 0

  async function* lines(): AsyncGenerator<string> {
    yield CSV_HEADER
    let next = 0
    for (const begunMs = Date.now(); !signal.aborted; ) {
      const minute = Math.min(season.endMinute, (season.endMinute * (Date.now() - begunMs)) / 1000 / seconds)
      let text = ''
      for (let sample = samples[next]; sample !== undefined && sample.sentMinute <= minute; sample = samples[++next])
        text += csvLine(season, sample)
      reached = minute
      if (text !== '') yield text
      if (minute >= season.endMinute) return
      // Ended by the signal, which the loop looks at.
      await delay(TURN_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  return { lines: lines(), reached: () => reached }
}
