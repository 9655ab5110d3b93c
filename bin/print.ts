import { visible } from '../processors/visible.ts'

/**
 * Prints lines on standard output. Control characters are escaped, because devices and strangers
 * wrote much of the text.
 */
export function print(...lines: readonly string[]): void {
  printAll(lines)
}

/**
 * The same for any number of lines: a hundred thousand are too many for the arguments of a call.
 */
export function printAll(lines: readonly string[]): void {
  process.stdout.write(`${lines.map(visible).join('\n')}\n`)
}
