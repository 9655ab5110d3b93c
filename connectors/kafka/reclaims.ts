/**
 * Who was refused by the database claims again only after Kafka has confirmed, twice since then
 * (the first answer may have been under way), that it still is a member of this generation. A
 * member that was paused past its session never gets that answer: it rejoins instead, and does not
 * take its former partitions from their new owner. So two cannot take them from each other in
 * turns.
 */
const BEATS_TO_RECLAIM = 2

/** When partitions are claimed anew: asked for at any time, due with an answered heartbeat. */
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
