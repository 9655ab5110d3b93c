import type { Extent } from '../../../connectors/contract.ts'
import type { Settled } from '../../../connectors/postgres/redrive-log.ts'
import type { Topic } from '../../../processors/contract.ts'
import type { FoundDeadLetter } from '../../../processors/found-dead-letters.ts'
import type { DeadLetterEntry, DeadTopicState, ReasonState } from './messages.ts'

/** Characters of a detail in a list; all of them are in the dead letter. */
const DETAIL = 200

interface Entry {
  readonly partition: number
  readonly offset: bigint
  readonly reason: string
  readonly device: string | null
  readonly detail: string
  readonly lastFailed: number
  readonly attempt: number
}

/**
 * The newest dead letters of a topic, without their bytes. What was read once is not read again.
 */
export class DeadLetterIndex {
  readonly topic: Topic
  private readonly most: number
  private entries: Entry[] = []
  private next = new Map<number, bigint>()
  private unreadable = 0
  private more = false

  /** @param most dead letters that are kept in memory */
  constructor(topic: Topic, most: number) {
    this.topic = topic
    this.most = most
  }

  /**
   * What of the topic is to be read next: at first the newest of it, later what was added. If Kafka
   * has deleted some of it, or it is another topic of the name, it begins anew.
   */
  unread(extents: readonly Extent[]): readonly Extent[] {
    const isOther = extents.some(({ partition, end }) => end < (this.next.get(partition) ?? 0n))
    const earliest = new Map(extents.map((extent) => [extent.partition, extent.earliest]))
    if (isOther) this.clear()
    else this.entries = this.entries.filter(({ partition, offset }) => offset >= (earliest.get(partition) ?? 0n))
    const each = BigInt(Math.max(1, Math.floor(this.most / Math.max(1, extents.length))))
    return extents.map(({ partition, earliest: from, end }) => {
      const newest = end - from > each ? end - each : from
      const next = this.next.get(partition) ?? from
      if (next >= newest) return { partition, earliest: next, end }
      this.more = true
      return { partition, earliest: newest, end }
    })
  }

  /** @param found null for a record that is no dead letter */
  add(found: FoundDeadLetter | null): void {
    if (found === null) {
      this.unreadable++
      return
    }
    const { partition, offset, deadLetter } = found
    const { reason, key, detail, last_failed: lastFailed, attempt } = deadLetter
    const device = key === null ? null : key.toString('utf8')
    this.entries.push({ partition, offset, reason, device, detail: detail.slice(0, DETAIL), lastFailed, attempt })
    // Not one by one: to shift an array takes as long as it is.
    if (this.entries.length < this.most * 1.25) return
    this.entries = this.entries.slice(-this.most)
    this.more = true
  }

  /** This has been read. */
  done({ partition, end }: Extent): void {
    this.next.set(partition, end)
  }

  /** @param settled undefined: the database does not say */
  state(processor: string | null, settled: Settled | undefined): DeadTopicState {
    const reasons = new Map<string, { -readonly [Key in keyof Omit<ReasonState, 'devices'>]: ReasonState[Key] } & { ids: Set<string> }>()
    for (const entry of this.entries) {
      const { reason, device, lastFailed, attempt } = entry
      const row = reasons.get(reason) ?? {
        reason,
        deadLetters: 0,
        open: settled === undefined ? null : 0,
        ids: new Set(),
        oldest: lastFailed,
        newest: lastFailed,
        attempts: 0,
      }
      reasons.set(reason, row)
      row.deadLetters++
      if (row.open !== null && isOpen(entry, settled)) row.open++
      if (device !== null) row.ids.add(device)
      row.oldest = Math.min(row.oldest, lastFailed)
      row.newest = Math.max(row.newest, lastFailed)
      row.attempts = Math.max(row.attempts, attempt)
    }
    return {
      topic: this.topic,
      processor,
      lookedAt: this.entries.length,
      more: this.more,
      unreadable: this.unreadable,
      reasons: [...reasons.values()]
        .map(({ ids, ...row }) => ({ ...row, devices: ids.size }))
        .sort((a, b) => (a.reason < b.reason ? -1 : 1)),
    }
  }

  /** The last ones first. */
  newest(reason: string, most: number, settled: Settled | undefined): readonly DeadLetterEntry[] {
    return this.entries
      .filter((entry) => entry.reason === reason)
      .sort((a, b) => b.lastFailed - a.lastFailed)
      .slice(0, most)
      .map((entry) => ({
        partition: entry.partition,
        offset: String(entry.offset),
        device: entry.device,
        detail: entry.detail,
        lastFailed: entry.lastFailed,
        attempt: entry.attempt,
        open: settled === undefined ? null : isOpen(entry, settled),
      }))
  }

  private clear(): void {
    this.entries = []
    this.next = new Map()
    this.unreadable = 0
    this.more = false
  }
}

function isOpen({ partition, offset }: Entry, settled: Settled | undefined): boolean {
  return settled?.get(partition)?.has(offset) !== true
}
