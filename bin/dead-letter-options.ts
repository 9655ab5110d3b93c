import { Option } from '@commander-js/extra-typings'
import type { DeadLetterFilter } from '../processors/found-dead-letters.ts'
import { fingerprint, moment, text, UsageError } from './command-line.ts'

/** Options that choose dead letters. */
export const REASON = new Option('--reason <code>', 'of one reason only, as docs/dead-letters.md lists them').argParser(text('--reason'))
export const DEVICE = new Option('--device <id>', 'of one device only').argParser(text('--device'))
const TIME = 'a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d)'
export const FROM = new Option('--from <time>', `that last failed at or after this: ${TIME}`).argParser(moment('--from'))
export const TO = new Option('--to <time>', 'that last failed before this').argParser(moment('--to'))

export const FINGERPRINT = new Option(
  '--fingerprint <hex>',
  'of frames with this fingerprint in their header only, as dead letters of reason unknown-fingerprint name it',
).argParser(fingerprint('--fingerprint'))

/** @throws UsageError */
export function deadLetterFilter(given: {
  readonly reason?: string | undefined
  readonly device?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly fingerprint?: string | undefined
}): DeadLetterFilter {
  const { reason, device, from: fromMs, to: toMs, fingerprint: wanted } = given
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw new UsageError(
      `--from and --to: expected the first to be earlier, got ${new Date(fromMs).toISOString()} and ${new Date(toMs).toISOString()}`,
    )
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(device === undefined ? {} : { device }),
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
    ...(wanted === undefined ? {} : { fingerprint: wanted }),
  }
}
