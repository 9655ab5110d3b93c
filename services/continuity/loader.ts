import type { ContinuityStore } from '../../connectors/postgres/continuity-store.ts'
import type { BootKey } from '../../processors/continuity/ledger.ts'
import type { ClaimedPartitions } from '../claimed-partitions.ts'
import type { StageClock } from '../stage-clock.ts'
import type { ContinuityCounters } from './counters.ts'
import type { Place } from './places.ts'
import type { ContinuityState } from './state.ts'
import { IDLE_ROUNDS, type LedgerWriter } from './writer.ts'

export interface BootLoaderOptions {
  readonly store: Pick<ContinuityStore, 'load'>
  readonly claimed: ClaimedPartitions<Place>
  readonly state: ContinuityState
  readonly writer: LedgerWriter
  readonly counters: ContinuityCounters
  readonly stages: StageClock
}

/** Loads boots from the database into memory. */
export class BootLoader {
  private readonly options: BootLoaderOptions

  constructor(options: BootLoaderOptions) {
    this.options = options
  }

  /**
   * Loads boots into memory until none is absent, then does the work at once. Nothing may be
   * awaited in between, because a write would forget boots. Waits through an outage of the
   * database, and while there are too many boots in memory. False if the partitions were taken
   * away.
   */
  async load(
    absent: () => readonly BootKey[],
    partition: number,
    isDevice: (name: string) => boolean,
    work: () => void,
    generation: number,
  ): Promise<boolean> {
    const { store, claimed, state, writer, counters, stages } = this.options
    for (let keys = absent(); keys.length > 0; keys = absent()) {
      const [{ ledger }, wanted] = [state, keys]
      if (ledger.isFull) {
        await writer.write()
        ledger.forget(IDLE_ROUNDS)
      }
      const admitted = await writer.whileUnchanged(generation, async () => {
        counters.loads++
        const loaded = await stages.during('database', () =>
          claimed.patiently('reading frame numbers', generation, () => store.load(wanted)),
        )
        if (loaded === undefined) return false
        ledger.admit(wanted, loaded, partition, isDevice)
        return true
      })
      if (admitted !== true) return false
    }
    using _ = stages.enter('handling')
    work()
    return true
  }
}

/** Returns the boots at the first call, and none after that. */
export function once(boots: readonly BootKey[]): () => readonly BootKey[] {
  const rest = [boots]
  return () => rest.pop() ?? []
}
