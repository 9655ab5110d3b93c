import type { RecordHeaders } from './contract.ts'

/**
 * If an output was too large for one record, the second record and those after it carry their
 * number in this header, from 1. Code that counts inputs, or looks at where each begins, must not
 * take them for inputs of their own.
 */
export const PART_HEADER = 'part'

export function partHeaders(number: number): RecordHeaders {
  return [{ name: PART_HEADER, value: Buffer.from(String(number), 'latin1') }]
}

/** Whether a record goes on with what the one before it began. */
export function isLaterPart(headers: RecordHeaders | undefined): boolean {
  return headers?.some(({ name }) => name === PART_HEADER) === true
}
