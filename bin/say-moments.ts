/**
 * Shows how the times that were given were understood, in UTC, on standard error: standard output
 * is for the result.
 */
export function sayMoments(moments: Readonly<Record<string, number | undefined>>): void {
  for (const [option, ms] of Object.entries(moments))
    if (ms !== undefined) process.stderr.write(`${option} is ${new Date(ms).toISOString()} (UTC)\n`)
}
