import type { Reading } from '../../schemas/generated/readings.ts'
import { type Change, judge, type Rule, type RuleState } from './judge.ts'
import type { HeardSample } from './samples.ts'

/**
 * A sample that is further ahead of its receipt is not judged: it would make all that come after it
 * late. It is stored like any other.
 */
const MOST_AHEAD_MICROS = 300_000_000

/** What is known of a rule and a device, or a channel of it. */
export interface Known {
  readonly state: RuleState | undefined
  readonly open: boolean
}

/** A change, and the site of the sample that made it. */
export interface SampleChange {
  readonly change: Change
  readonly siteId: number | null
}

export interface Series {
  readonly state: RuleState | undefined
  readonly changes: readonly SampleChange[]
}

/**
 * Judges samples of one device, or of one channel, by a rule, in the order of their times.
 * @param wanted whether the rule is about a sample
 */
export function judgeSeries(
  rule: Rule,
  quantity: string,
  known: Known,
  samples: readonly HeardSample[],
  wanted: (sample: HeardSample) => boolean,
): Series {
  let { state, open } = known
  const changes: SampleChange[] = []
  for (const sample of samples) {
    const { ts, site_id: siteId } = sample.reading
    const value = valueIn(sample.reading, quantity)
    if (value === undefined || ts > sample.received + MOST_AHEAD_MICROS || !wanted(sample)) continue
    const judgement = judge(rule, state, open, ts, value)
    if (judgement === undefined) continue
    state = judgement.state
    if (judgement.change === undefined) continue
    open = judgement.change.tag === 'opened'
    changes.push({ change: judgement.change, siteId })
  }
  return { state, changes }
}

/** Undefined if the sample has no value of it, or it is no quantity. */
function valueIn(reading: Reading, quantity: string): number | undefined {
  const value: unknown = (reading as unknown as Readonly<Record<string, unknown>>)[quantity]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
