/** A firmware, as far as a choice by what it measures needs it. */
export interface Measures {
  readonly id: string
  readonly metrics: readonly { readonly standard: string }[]
}

/** The firmware with the fewest metrics that measures all of these quantities; undefined where none does. */
export function firmwareFor<Candidate extends Measures>(
  quantities: readonly string[],
  firmwares: readonly Candidate[],
): Candidate | undefined {
  return firmwares
    .filter(({ metrics }) => quantities.every((quantity) => metrics.some(({ standard }) => standard === quantity)))
    .toSorted((a, b) => a.metrics.length - b.metrics.length || a.id.localeCompare(b.id))[0]
}
