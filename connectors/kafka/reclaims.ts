/**
 * A member whose commit the database refused claims again only after Kafka has answered two more
 * heartbeats (the first answer may have been under way), so that it still is a member of this
 * generation. A member that was paused past its session never gets these answers: it rejoins
 * instead, and does not take its former partitions from their new owner. So two members cannot take
 * them from each other in turns.
 */
const BEATS_TO_RECLAIM = 2

/**
 * Decides when partitions are claimed anew. It may be requested at any time, and is due when a
 * heartbeat is answered.
 */
export class Reclaims {
  /** Heartbeats that Kafka answered. */
  private beats = 0
  private wanted: { readonly generation: number; readonly beats: number } | undefined

  request(generation: number): void {
    if (this.wanted?.generation !== generation) this.wanted = { generation, beats: this.beats + BEATS_TO_RECLAIM }
  }

  /** Counts an answer to a heartbeat. True if the generation's partitions are now to be claimed. */
  beat(generation: number): boolean {
    this.beats++
    if (this.wanted === undefined || this.beats < this.wanted.beats) return false
    const due = this.wanted.generation === generation
    this.wanted = undefined
    return due
  }
}
