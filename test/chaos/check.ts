import { createKafka } from '../../connectors/kafka/client.ts'
import { type Comparison, compareReadings, type ExpectedLine, frameLines, goodLine, type MissingFrame } from './comparison.ts'
import { type Hops, readHops } from './hops.ts'
import { type LedgerFrame, readLedger } from './ledger.ts'
import { type Letters, readLetters } from './letters.ts'
import type { Line } from './line.ts'
import type { GoodReading, Poison } from './publisher.ts'

/** What one fleet sent in one phase. */
export interface SentFrames {
  readonly phase: string
  readonly ledger: string
  readonly firmware: string
}

export interface SentReadings {
  readonly phase: string
  readonly device: string
  readonly readings: readonly GoodReading[]
}

export interface Sent {
  readonly frames: readonly SentFrames[]
  readonly readings: readonly SentReadings[]
  readonly poison: readonly Poison[]
  readonly isFleet: (device: string) => boolean
}

/** Everything that was sent against everything that is there. */
export interface Findings {
  readonly comparison: Comparison
  readonly hops: Hops
  readonly letters: Letters
  /** Frames whose bytes on Kafka are not those that the device sent. */
  readonly alteredByBridge: number
  /** Boot counters of each phase. */
  readonly boots: ReadonlyMap<string, ReadonlySet<number>>
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** To be called once the line has settled. */
export async function check({ direct }: Line, { frames, readings, poison, isFleet }: Sent): Promise<Findings> {
  const kafka = createKafka({ brokers: [direct.kafkaBroker], clientId: 'chaos-check' }, quiet)
  const hops = await readHops(kafka, isFleet)
  const letters = await readLetters(kafka, poison, isFleet)
  const boots = new Map(frames.map(({ phase }) => [phase, new Set<number>()]))
  let alteredByBridge = 0

  function note(phase: string, { device, boot, seq, hash }: LedgerFrame): void {
    boots.get(phase)?.add(boot)
    const seen = hops.frames.seen(device, boot, seq)
    if (seen !== undefined && seen !== hash) alteredByBridge++
  }

  async function* expected(): AsyncGenerator<readonly ExpectedLine[]> {
    for (const { phase, ledger, firmware } of frames) {
      for await (const frame of readLedger(ledger, firmware)) {
        note(phase, frame)
        yield frameLines(phase, frame)
      }
    }
    for (const { phase, device, readings: list } of readings) yield list.map((reading, number) => goodLine(phase, device, reading, number))
  }

  const comparison = await compareReadings(direct.telemetryUrl, expected())
  return { comparison, hops, letters, alteredByBridge, boots }
}

/** The last hop that has the frame. */
export function lastHop({ frames, readings }: Hops, { device, boot, seq }: MissingFrame): string {
  if (readings.seen(device, boot, seq) !== undefined) return 'is in telemetry.readings, not stored'
  if (frames.seen(device, boot, seq) !== undefined) return 'is in telemetry.frames, not in telemetry.readings'
  return 'never came to telemetry.frames'
}
