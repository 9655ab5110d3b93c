import { createKafka } from '../../connectors/kafka/client.ts'
import { type Comparison, compareReadings, type ExpectedLine, frameLines, goodLine, type MissingFrame } from './comparison.ts'
import { type DeadLetters, readDeadLetters } from './dead-letters.ts'
import { countFormerAccount, findOldStates } from './devices-check.ts'
import { type Hops, readHops } from './hops.ts'
import type { Move } from './injector.ts'
import { type LedgerFrame, readLedger } from './ledger.ts'
import type { Line } from './line.ts'
import type { GoodReading, Poison, SentStatus } from './publisher.ts'

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
  readonly moves: readonly Move[]
  readonly statuses: ReadonlyMap<string, SentStatus>
  /** The hops as they were before a topic was made anew; read now if there are none. */
  readonly hops?: Hops
  readonly isFleet: (device: string) => boolean
}

/** Everything that was sent against everything that is there. */
export interface Findings {
  readonly comparison: Comparison
  readonly hops: Hops
  readonly deadLetters: DeadLetters
  /** Frames whose bytes on Kafka are not those that the device sent. */
  readonly alteredByBridge: number
  readonly continuity: Continuity
  /** Frames in the ledgers. */
  readonly sentFrames: number
  /**
   * Rows of the device that moves with another account than it had, long after that was written.
   */
  readonly formerAccount: number
  /** Devices whose state is not the last that they sent. */
  readonly oldStates: readonly string[]
}

/** What `millrace continuity` says of the fleets. */
export interface Continuity {
  readonly numbered: number
  /** device/boot/number of each frame that it calls missing. */
  readonly missing: readonly string[]
  readonly addsUp: boolean
  /** Why there is no answer. */
  readonly failure?: string
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** To be called once the line has settled. */
export async function check(
  { direct, millrace }: Line,
  { frames, readings, poison, moves, statuses, isFleet, ...sent }: Sent,
): Promise<Findings> {
  const kafka = createKafka({ brokers: direct.kafkaBrokers, clientId: 'chaos-check' }, quiet)
  const hops = sent.hops ?? (await readHops(kafka, isFleet))
  const deadLetters = await readDeadLetters(kafka, poison, isFleet)
  const continuity = await askContinuity(millrace, isFleet)
  let alteredByBridge = 0
  let sentFrames = 0

  function note({ device, boot, seq, hash }: LedgerFrame): void {
    sentFrames++
    const seen = hops.frames.seen(device, boot, seq)
    if (seen !== undefined && seen !== hash) alteredByBridge++
  }

  async function* expected(): AsyncGenerator<readonly ExpectedLine[]> {
    for (const { phase, ledger, firmware } of frames) {
      for await (const frame of readLedger(ledger, firmware)) {
        note(frame)
        yield frameLines(phase, frame)
      }
    }
    for (const { phase, device, readings: list } of readings) yield list.map((reading, number) => goodLine(phase, device, reading, number))
  }

  const comparison = await compareReadings(direct.telemetryUrl, expected())
  return {
    comparison,
    hops,
    deadLetters,
    continuity,
    alteredByBridge,
    sentFrames,
    formerAccount: await countFormerAccount(direct, moves),
    oldStates: await findOldStates(direct.appUrl, statuses),
  }
}

/** The part of `millrace continuity --json` that is used here. */
interface ContinuityAnswer {
  readonly addsUp: boolean
  readonly devices: readonly {
    readonly device: string
    readonly frames: { readonly numbered: number }
    readonly incomplete: readonly {
      readonly boot: number
      readonly missingNumbers: readonly { readonly first: number; readonly last: number }[]
    }[]
  }[]
}

async function askContinuity(millrace: Line['millrace'], isFleet: (device: string) => boolean): Promise<Continuity> {
  try {
    return readContinuity(await millrace('continuity', '--json'), isFleet)
  } catch (cause) {
    return { addsUp: false, numbered: 0, missing: [], failure: cause instanceof Error ? cause.message : String(cause) }
  }
}

function readContinuity(json: string, isFleet: (device: string) => boolean): Continuity {
  const { addsUp, devices } = JSON.parse(json) as ContinuityAnswer
  const ours = devices.filter(({ device }) => isFleet(device))
  return {
    addsUp,
    numbered: ours.reduce((sum, { frames }) => sum + frames.numbered, 0),
    missing: ours.flatMap(({ device, incomplete }) =>
      incomplete.flatMap(({ boot, missingNumbers }) =>
        missingNumbers.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, index) => `${device}/${boot}/${first + index}`),
        ),
      ),
    ),
  }
}

/** The last hop that has the frame. */
export function lastHop({ frames, readings }: Hops, { device, boot, seq }: MissingFrame): string {
  if (readings.seen(device, boot, seq) !== undefined) return 'is in telemetry.readings, not stored'
  if (frames.seen(device, boot, seq) !== undefined) return 'is in telemetry.frames, not in telemetry.readings'
  return 'never came to telemetry.frames'
}
