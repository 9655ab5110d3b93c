import { visible } from '../processors/visible.ts'

/**
 * Prints lines on standard output: much of what is in them was written by devices and strangers.
 */
export function print(...lines: readonly string[]): void {
  printAll(lines)
}

/**
 * The same for any number of lines: a hundred thousand of them are too many for the arguments of a
 * call.
 */
export function printAll(lines: readonly string[]): void {
  process.stdout.write(`${lines.map(visible).join('\n')}\n`)
}
