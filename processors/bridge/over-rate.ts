import type { DeadRecord } from '../dead-letter.ts'
import { DeadLetterBudget, type DeadLetterLimits } from '../dead-letter-budget.ts'

/** A message that its device should not have sent. */
interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly receivedMs: number
}

/** Messages of one device over its rate whose bytes no dead letter keeps. */
export interface OverRateNote {
  readonly topic: string
  readonly key: Buffer | null
  /** When the first was received. */
  readonly receivedMs: number
  /** Heads of the first messages: enough to read a frame's number. */
  readonly records: DeadRecord[]
  messages: number
  bytes: number
}

/**
 * C3 01, the fingerprint, and what comes before the samples of a frame
 * (processors/continuity/heads.ts).
 */
const HEAD_BYTES = 44
/** What a note costs for each of its records: its head, offset and time. */
const RECORD_BYTES = 64
/** Most heads that the notes of a device may keep in a window. */
const MOST_HEADS = 16_384
/** Most records of one dead letter. */
const MOST_RECORDS = 1_000
/** Notes without heads become a dead letter at most this often. */
const NOTE_MS = 1_000
/** Most devices that have a note of their own: a flood of names must not fill the memory. */
const MOST_NOTES = 10_000

/**
 * Bounds the dead letters of a device that is over its rate. Its first messages are kept whole. The
 * next ones keep only their heads, so that `millrace continuity` knows their numbers. For all later
 * ones, one dead letter a second says how many there were. Other processors could read them again
 * from a topic; the bridge has none. So a device that floods loses what is too much, and dead
 * letters and figures say so.
 */
export class OverRate {
  private readonly whole: DeadLetterBudget
  private readonly heads: DeadLetterBudget
  private readonly notes = new Map<string, OverRateNote>()

  constructor(limits: DeadLetterLimits) {
    this.whole = new DeadLetterBudget(limits)
    this.heads = new DeadLetterBudget({ ...limits, deadLetters: MOST_HEADS })
  }

  /** Whether the message's dead letter may be whole; if not, the message is noted. */
  admit(message: Message, key: Buffer | null): boolean {
    const { topic, payload, receivedMs } = message
    if (this.whole.admit(key, 'over-rate', payload.length, receivedMs)) return true
    const name = this.notes.size < MOST_NOTES ? (key?.toString('latin1') ?? '') : ''
    let note = this.notes.get(name)
    if (note === undefined) {
      note = { topic, key: name === '' ? null : key, receivedMs, records: [], messages: 0, bytes: 0 }
      this.notes.set(name, note)
    }
    note.messages++
    note.bytes += payload.length
    if (note.records.length < MOST_RECORDS && this.heads.admit(key, 'over-rate', RECORD_BYTES, receivedMs))
      note.records.push({ offset: -1, timestamp: receivedMs, head: payload.subarray(0, HEAD_BYTES), partly: false })
    return false
  }

  /**
   * The notes that must become dead letters now.
   * @param nowMs milliseconds since 1970
   */
  due(nowMs: number): readonly OverRateNote[] {
    if (this.notes.size === 0) return []
    const due: OverRateNote[] = []
    for (const [name, note] of this.notes) {
      if (note.records.length === 0 && nowMs - note.receivedMs < NOTE_MS) continue
      this.notes.delete(name)
      due.push(note)
    }
    return due
  }
}
