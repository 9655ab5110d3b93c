import { millrace, until } from '../pipeline/service.ts'

/** Each group's lag over all partitions, as `millrace lag` shows it. */
export async function lags(): Promise<Readonly<Record<string, string>>> {
  const lines = (await millrace('lag')).split('\n')
  return Object.fromEntries(lines.flatMap((line) => [...line.matchAll(/^(\S+) +total +(\S+)$/g)].map(([, group, lag]) => [group, lag])))
}

/** Waits until these groups have read all that there is. */
export async function caughtUp(...groups: readonly string[]): Promise<void> {
  await until(
    `${groups.join(', ')} have nothing left to read`,
    async () => {
      const now = await lags()
      return groups.every((group) => now[group] === '0')
    },
    60_000,
  )
}
