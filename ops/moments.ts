import { MOMENT_EXPECTED, parseMoment } from '../processors/when.ts'
import { ConfigError } from '../services/config.ts'

/**
 * A time given as an option: every command reads its times here.
 * @returns milliseconds since 1970; undefined if the option was not given
 * @throws ConfigError
 */
export function momentOption(option: string, text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  const ms = parseMoment(text, nowMs)
  if (ms === undefined) throw new ConfigError(`${option}: ${MOMENT_EXPECTED}, got ${JSON.stringify(text)}`)
  return ms
}

/** What was taken for each option that was given, a line each, for whoever typed it. */
export function momentLines(moments: Readonly<Record<string, number | undefined>>): readonly string[] {
  return Object.entries(moments).flatMap(([option, ms]) => (ms === undefined ? [] : [`${option} is ${new Date(ms).toISOString()} (UTC)`]))
}
