import { momentLines } from '../ops/moments.ts'

/**
 * Shows how the times that were given were understood, on standard error: standard output is for
 * the result.
 */
export function sayMoments(moments: Readonly<Record<string, number | undefined>>): void {
  for (const line of momentLines(moments)) process.stderr.write(`${line}\n`)
}
