import { momentLines } from '../ops/moments.ts'

/**
 * Echoes the times that a command took, on standard error: standard output is for what it was asked
 * for.
 */
export function sayMoments(moments: Readonly<Record<string, number | undefined>>): void {
  for (const line of momentLines(moments)) process.stderr.write(`${line}\n`)
}
