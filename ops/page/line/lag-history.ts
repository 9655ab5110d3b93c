import type { LagReport } from '../../lag/lag-watch.ts'
import type { LagHistory, LagPoint } from './messages.ts'

/** Lags of the last minutes, as far as somebody looked. */
export class LagMemory {
  private readonly keepMs: number
  private points: readonly LagPoint[] = []

  constructor(keepMs: number) {
    this.keepMs = keepMs
  }

  add({ atMs, groups }: LagReport): void {
    const point: LagPoint = {
      at: atMs,
      groups: Object.fromEntries(
        groups.map(({ group, lag, timeLagSeconds }) => [
          group,
          { lag: lag === undefined ? null : Number(lag), timeLagSeconds: timeLagSeconds ?? null },
        ]),
      ),
    }
    this.points = [...this.points.filter(({ at }) => at >= atMs - this.keepMs), point]
  }

  get history(): LagHistory {
    return { points: this.points }
  }
}
