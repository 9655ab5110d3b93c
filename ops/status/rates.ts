/** Cumulative figures by name; undefined if a part could not be asked. */
export type Figures = ReadonlyMap<string, number | undefined>

interface Look {
  readonly atMs: number
  readonly figures: Figures
}

/** Turns looks at cumulative figures into rates over a sliding window. */
export interface Rates {
  add(atMs: number, figures: Figures): void
  /**
   * Undefined until two looks know the figure, and after it went back: its part was started again.
   */
  perSecond(name: string): number | undefined
}

/** @param windowMs long enough to even out batches, short enough to show what is going on */
export function createRates(windowMs: number): Rates {
  let looks: readonly Look[] = []
  return {
    add(atMs, figures) {
      looks = [...looks.filter((look) => look.atMs >= atMs - windowMs), { atMs, figures }]
    },
    perSecond(name) {
      const last = looks.at(-1)
      const now = last?.figures.get(name)
      if (last === undefined || now === undefined) return undefined
      let first: { atMs: number; value: number } | undefined
      let below = now
      for (const { atMs, figures } of looks.slice(0, -1).reverse()) {
        const value = figures.get(name)
        if (value === undefined) continue
        if (value > below) break
        below = value
        first = { atMs, value }
      }
      return first === undefined || first.atMs >= last.atMs ? undefined : ((now - first.value) * 1000) / (last.atMs - first.atMs)
    },
  }
}
