import { shown } from '../shown.ts'
import { RepeatedMember } from './codecs/codec.ts'

/** A value of a message for a detail: its beginning, without control characters. */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  return value instanceof RepeatedMember ? String(value) : shown(value)
}
