const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/**
 * A moment as people give it: ISO 8601 (`2026-11-23T04:00:00Z`, `2026-11-23`), or an age (`90s`, `15m`, `2h`, `3d`).
 * @returns milliseconds since 1970; undefined where it is neither
 */
export function parseMoment(text: string, nowMs: number): number | undefined {
  const age = /^(\d+)([smhd])$/.exec(text)
  if (age !== null) return nowMs - Number(age[1]) * (UNITS_MS.get(age[2] as string) as number)
  if (!/^\d{4}-\d{2}-\d{2}([T ]|$)/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}
