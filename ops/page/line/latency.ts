import type { MetricSample } from '../../status/prometheus-text.ts'
import type { Latency } from './messages.ts'

/** A histogram's cumulative counts by bound. */
export type Histogram = ReadonlyMap<number, number>

/** The buckets of a histogram with one label besides `le`. */
export function histogram(samples: readonly MetricSample[], name: string, label: string, value: string): Histogram {
  const buckets = new Map<number, number>()
  for (const { name: of, labels, value: count } of samples)
    if (of === `${name}_bucket` && labels[label] === value)
      buckets.set(labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le), count)
  return buckets
}

/**
 * What was counted between two looks; undefined if nothing was, or the service was started again.
 */
export function counted(now: Histogram, before: Histogram): Histogram | undefined {
  const between = new Map([...now].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const))
  const all = between.get(Number.POSITIVE_INFINITY) ?? 0
  return all > 0 && [...between.values()].every((count) => count >= 0) ? between : undefined
}

/** Median and 99th percentile of a histogram that is not empty. */
export function latencyOf(found: Histogram): Latency {
  return { median: quantile(found, 0.5), p99: quantile(found, 0.99) }
}

/**
 * As Prometheus estimates it (histogram_quantile): evenly spread within a bucket; beyond the last
 * bound, that bound.
 */
function quantile(found: Histogram, share: number): number {
  const buckets = [...found].sort(([a], [b]) => a - b)
  const rank = share * (buckets.at(-1)?.[1] ?? 0)
  let [lower, below] = [0, 0]
  for (const [upper, count] of buckets) {
    if (count >= rank) return Number.isFinite(upper) ? lower + ((upper - lower) * (rank - below)) / (count - below) : lower
    ;[lower, below] = [upper, count]
  }
  return lower
}
