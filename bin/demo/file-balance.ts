import type { ComparedRows } from '../../connectors/postgres/sent-rows.ts'
import { whole } from '../../ops/figures.ts'

/** What became of a file that was sent through the line. */
export interface FileBalance extends ComparedRows {
  /** Data lines of the file. */
  readonly lines: number
  /** Lines that the device sent and the broker acknowledged. */
  readonly sent: number
  /** Distinct (device, time) keys of the file. */
  readonly keys: number
  /** Samples of this run that are dead letters. */
  readonly deadLetters: number
  /** Keys that are dead letters and not in the table. */
  readonly deadKeys: number
}

/** Keys that are neither in the table nor dead letters. */
export function missing({ keys, rows, deadKeys }: FileBalance): number {
  return keys - rows - deadKeys
}

/**
 * Lines that have nothing new. If all lines were sent, sent = rows + merged + repeats + conflicts +
 * missing + keys that are dead letters.
 */
export function repeats({ sent, keys, merged, conflicts }: FileBalance): number {
  return Math.max(0, sent - keys - merged - conflicts)
}

/** What does not add up, in words; empty if everything does. */
export function complaints(balance: FileBalance): readonly string[] {
  const { lines, sent, wrong } = balance
  const gone = missing(balance)
  return [
    ...(sent === lines ? [] : [`the file has ${whole(lines)} lines, but ${whole(sent)} were sent and acknowledged`]),
    ...(gone === 0 ? [] : [`${whole(gone)} keys of the file are neither in the table nor dead letters`]),
    ...(wrong === 0 ? [] : [`${whole(wrong)} rows have values that no line of the file has for their key`]),
  ]
}

/** The result in one line. */
export function renderBalance(balance: FileBalance): string {
  const { sent, rows, merged, conflicts, deadLetters } = balance
  return [
    `${whole(sent)} sent, ${whole(rows)} rows`,
    ...(merged > 0 ? [`${whole(merged)} merged into them`] : []),
    `${whole(repeats(balance))} repeats`,
    ...(conflicts > 0 ? [`${whole(conflicts)} in conflict`] : []),
    `${whole(deadLetters)} dead letters, ${whole(missing(balance))} missing`,
  ].join(', ')
}
