import type { Clock } from '../connectors/clock.ts'

/** What a consumer does with a batch, beside waiting for one. */
export const STAGES = ['lookups', 'handling', 'sending', 'database'] as const
export type Stage = (typeof STAGES)[number]

/**
 * How long a service has been in each stage. A stage in which several batches are at a time counts
 * once, so that it gets a second in a second at most; one that is under way counts until now.
 */
export class StageClock {
  private readonly clock: Pick<Clock, 'monotonicMs'>
  private readonly stages = new Map(STAGES.map((stage) => [stage, { under: 0, sinceMs: 0, spentMs: 0 }]))

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.clock = clock
  }

  /** Begins a stage, which ends with the disposal. */
  enter(stage: Stage): Disposable {
    const of = this.stages.get(stage) as { under: number; sinceMs: number; spentMs: number }
    if (of.under++ === 0) of.sinceMs = this.clock.monotonicMs()
    return {
      [Symbol.dispose]: () => {
        if (--of.under === 0) of.spentMs += this.clock.monotonicMs() - of.sinceMs
      },
    }
  }

  /** Does work in a stage. */
  async during<Result>(stage: Stage, work: () => Promise<Result>): Promise<Result> {
    using _ = this.enter(stage)
    return await work()
  }

  /** Seconds in each stage so far. */
  *seconds(): Iterable<readonly [Stage, number]> {
    const now = this.clock.monotonicMs()
    for (const [stage, { under, sinceMs, spentMs }] of this.stages) yield [stage, (spentMs + (under > 0 ? now - sinceMs : 0)) / 1_000]
  }
}
