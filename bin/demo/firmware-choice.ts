import { quantityOf } from '../../schemas/firmware.ts'

/** A firmware and what it measures. */
export interface Measures {
  readonly id: string
  readonly metrics: readonly { readonly standard: string | null; readonly channel: string | null }[]
}

/** The firmwares that measure all of these quantities, the one with the fewest metrics first. */
export function firmwaresFor<Candidate extends Measures>(
  quantities: readonly string[],
  firmwares: readonly Candidate[],
): readonly Candidate[] {
  return firmwares
    .filter(({ metrics }) =>
      quantities.every((quantity) =>
        metrics.some(({ standard, channel }) => standard !== null && quantityOf({ standard, channel }) === quantity),
      ),
    )
    .toSorted((a, b) => a.metrics.length - b.metrics.length || a.id.localeCompare(b.id))
}
