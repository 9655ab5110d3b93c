import { millrace, until } from '../pipeline/service.ts'

/** Each group's lag over all partitions, as `millrace lag` says it: `null` if it is not known. */
export async function lags(): Promise<Readonly<Record<string, string>>> {
  const { groups } = JSON.parse(await millrace('lag', '--over', '0s', '--json')) as {
    readonly groups: readonly { readonly group: string; readonly lag: number | null }[]
  }
  return Object.fromEntries(groups.map(({ group, lag }) => [group, String(lag)]))
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
