import type { LetterFilter } from '../../processors/letters.ts'
import { parseMoment } from '../../processors/when.ts'
import { ConfigError } from '../../services/config.ts'

/** Options of parseArgs that choose letters. */
export const letterOptions = {
  reason: { type: 'string' },
  device: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
} as const

/** @throws ConfigError */
export function letterFilter(values: { readonly [Name in keyof typeof letterOptions]?: string | undefined }, nowMs: number): LetterFilter {
  const { reason, device } = values
  const fromMs = moment('--from', values.from, nowMs)
  const toMs = moment('--to', values.to, nowMs)
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(device === undefined ? {} : { device }),
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
  }
}

function moment(option: string, text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  const ms = parseMoment(text, nowMs)
  if (ms === undefined)
    throw new ConfigError(`${option}: expected a time as 2026-11-23T04:00:00Z or an age as 90s, 15m, 2h or 3d, got "${text}"`)
  return ms
}

/** A positive number. @throws ConfigError */
export function positive(option: string, text: string | undefined, what: 'whole' | 'any'): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value) || (what === 'whole' && !Number.isInteger(value)))
    throw new ConfigError(`${option}: expected a ${what === 'whole' ? 'whole ' : ''}number above 0, got "${text}"`)
  return value
}
