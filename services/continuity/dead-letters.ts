import type { ConsumedBatch } from '../../connectors/contract.ts'
import type { OpenDeadLetter } from '../../processors/continuity/intake.ts'
import type { ClaimedPartitions } from '../claimed-partitions.ts'
import type { StageClock } from '../stage-clock.ts'
import type { BootLoader } from './loader.ts'
import type { Place } from './places.ts'
import { type ContinuityState, type KnownDevices, readingsTaken } from './state.ts'

export interface DeadLetterTakerOptions {
  readonly claimed: ClaimedPartitions<Place>
  readonly state: ContinuityState
  readonly loader: BootLoader
  readonly devices: KnownDevices
  readonly stages: StageClock
  /** Makes the schemas of these dead letters known. */
  readonly prepare: (deadLetters: readonly OpenDeadLetter[]) => Promise<void>
}

/** Most boots that one query loads, and most dead letters that are taken at a time. */
export const MOST_AT_ONCE = 5_000

/** Takes dead letters into the ledger. */
export class DeadLetterTaker {
  private readonly options: DeadLetterTakerOptions

  constructor(options: DeadLetterTakerOptions) {
    this.options = options
  }

  /** False if the partitions were taken away. */
  async take(place: Place, { records, nextOffset, leaderEpoch }: ConsumedBatch, generation: number): Promise<boolean> {
    const { claimed, state, loader, devices, stages, prepare } = this.options
    const deadLetters = state.intake.open(records, place.partition)
    await stages.during('lookups', () => prepare(deadLetters))
    if (!claimed.isCurrent(generation)) return false
    for (let from = 0; from < deadLetters.length; ) {
      // One record may be the dead letter of many records. All of them are taken together.
      let to = Math.min(from + MOST_AT_ONCE, deadLetters.length)
      while (to < deadLetters.length && deadLetters[to]?.offset === deadLetters[to - 1]?.offset) to++
      const some = deadLetters.slice(from, to)
      const asked = await claimed.patiently('looking up devices', generation, async () => {
        await devices.ask(some.map(({ device }) => device))
        return true
      })
      if (asked === undefined) return false
      const done = await loader.load(
        () => state.intake.absentOfDeadLetters(some),
        place.partition,
        (name) => devices.has(name),
        () => this.apply(place, some, deadLetters[to]?.offset ?? nextOffset),
        generation,
      )
      if (!done) return false
      from = to
    }
    place.position = nextOffset
    place.leaderEpoch = leaderEpoch
    return true
  }

  private apply(place: Place, deadLetters: readonly OpenDeadLetter[], position: bigint): void {
    const { claimed, state } = this.options
    const taken = (partition: number): bigint | undefined => readingsTaken(claimed, partition)
    for (const deadLetter of deadLetters)
      if (!state.intake.deadLetter(deadLetter, taken, place.truncatedUntil !== null && deadLetter.offset < place.truncatedUntil))
        throw new RangeError(`the boot of a dead letter of ${deadLetter.device} was loaded and is not there`)
    place.position = position
  }
}
