/** Numbers that follow from a seed alone: a run can be repeated. */
export interface Random {
  /** In [0, 1). */
  next(): number
  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number
  pick<Item>(items: readonly [Item, ...Item[]]): Item
  shuffled<Item>(items: readonly Item[]): Item[]
}

/** mulberry32 (T. Ettinger, 2017): 32 bits of state are plenty for a few hundred choices. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  function whole(least: number, most: number): number {
    return least + Math.floor(next() * (most - least + 1))
  }
  return {
    next,
    whole,
    pick: (items) => items[whole(0, items.length - 1)] ?? items[0],
    shuffled(items) {
      const copy = [...items]
      for (let last = copy.length - 1; last > 0; last--) {
        const other = whole(0, last)
        const item = copy[last] as (typeof copy)[number]
        copy[last] = copy[other] as (typeof copy)[number]
        copy[other] = item
      }
      return copy
    },
  }
}
