import type { DeadLetter } from '../../processors/dead-letter.ts'

/** What is compared of a dead letter. Its detail is text for people. */
export interface DeadPart {
  readonly reason: string
  /** Samples and quantities; undefined for a dead letter that keeps only the record's offset. */
  readonly part: string | undefined
}

/** What the deployed one refused of one input. */
export interface Refused {
  readonly open: DeadPart[]
  /** Whether a redrive has settled a dead letter of it, so that outputs may have come later. */
  redriven: boolean
}

/** Most inputs whose dead letters are kept in memory. */
export const MOST_REFUSED = 200_000

/** What the deployed one refused, by partition and offset of the input. */
export class RefusedInputs {
  /** Whether there are more than are kept: then none of them is compared. */
  overflowed = false
  private readonly partitions = new Map<number, Map<number, Refused>>()
  private size = 0

  /** @param settled whether a redrive has settled it: what became of it is elsewhere */
  add(deadLetter: DeadLetter, settled: boolean): void {
    const { source_partition: partition, records, source_offset, reason } = deadLetter
    if (records.length > 0) {
      for (const { offset, partly } of records)
        this.note(partition, offset, { reason, part: partly ? undefined : partOf({ samples: [], quantities: [] }) }, settled)
    } else this.note(partition, source_offset, { reason, part: partOf(deadLetter) }, settled)
  }

  of(partition: number, offset: bigint): Refused | undefined {
    return this.partitions.get(partition)?.get(Number(offset))
  }

  private note(partition: number, offset: number, dead: DeadPart, settled: boolean): void {
    let offsets = this.partitions.get(partition)
    if (offsets === undefined) {
      offsets = new Map()
      this.partitions.set(partition, offsets)
    }
    let refused = offsets.get(offset)
    if (refused === undefined) {
      if (this.size === MOST_REFUSED) {
        this.overflowed = true
        return
      }
      this.size++
      refused = { open: [], redriven: false }
      offsets.set(offset, refused)
    }
    if (settled) refused.redriven = true
    // A service that was killed writes the same dead letter again.
    else if (!refused.open.some(({ reason, part }) => reason === dead.reason && part === dead.part)) refused.open.push(dead)
  }
}

/** Which samples and quantities, as a text that is the same for the same ones. */
export function partOf({ samples, quantities }: Pick<DeadLetter, 'samples' | 'quantities'>): string {
  return `${samples.join()} ${quantities.join()}`
}

/** Reasons of dead letters that only one side has. */
export interface DeadDifferences {
  /** Only the working copy refuses this. */
  readonly added: readonly string[]
  /** Only the deployed one did. */
  readonly gone: readonly string[]
}

/** Compares the dead letters of one input. */
export function compareDead(working: readonly DeadPart[], deployed: readonly DeadPart[]): DeadDifferences {
  const left = [...deployed]
  const added: string[] = []
  for (const { reason, part } of working) {
    const index = left.findIndex((other) => other.reason === reason && (other.part === undefined || other.part === part))
    if (index < 0) added.push(reason)
    else left.splice(index, 1)
  }
  return { added, gone: left.map(({ reason }) => reason) }
}
