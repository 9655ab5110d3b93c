import type { DeadLetterFilter } from '../../processors/found-dead-letters.ts'
import { ConfigError } from '../../services/config.ts'
import { momentOption } from '../moments.ts'

/** Options of parseArgs that choose dead letters. */
export const deadLetterOptions = {
  reason: { type: 'string' },
  device: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
} as const

/** @throws ConfigError */
export function deadLetterFilter(
  values: { readonly [Name in keyof typeof deadLetterOptions]?: string | undefined },
  nowMs: number,
): DeadLetterFilter {
  const { reason, device } = values
  const fromMs = momentOption('--from', values.from, nowMs)
  const toMs = momentOption('--to', values.to, nowMs)
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw new ConfigError(`--from and --to: expected the first to be earlier, got ${values.from} and ${values.to}`)
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(device === undefined ? {} : { device }),
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
  }
}

/** A positive number. @throws ConfigError */
export function positive(option: string, text: string | undefined, what: 'whole' | 'any'): number | undefined {
  if (text === undefined) return undefined
  // Number takes "0x10", "1e3" and blanks too.
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value > 0) || !Number.isFinite(value) || (what === 'whole' && !Number.isInteger(value)))
    throw new ConfigError(`${option}: expected a ${what === 'whole' ? 'whole ' : ''}number above 0, got "${text}"`)
  return value
}
