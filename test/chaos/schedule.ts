import type { BrokerFault } from './broker-faults.ts'
import { type Attack, attacks } from './hostile.ts'
import { createRandom, type Random } from './random.ts'

/**
 * What can be split by a proxy: devices and the bridge from Mosquitto, everything from Kafka,
 * everything from the databases.
 */
export const links = ['devices', 'bridge', 'kafka', 'databases'] as const
export type Link = (typeof links)[number]

/** Services that are consumers of a group. */
export type Consumer = 'standardise' | 'store' | 'movement' | 'alerts' | 'contact'

/**
 * A thing that goes wrong. `forMs` is how long it lasts: until what was killed is started again,
 * what was stopped goes on, what was full has room, the second instance leaves.
 */
export type Fault = BrokerFault | LineFault
type LineFault = { readonly atMs: number; readonly forMs: number } & (
  | { readonly kind: `kill ${Consumer}` | 'kill bridge' | 'kill continuity' | 'pause bridge' }
  /**
   * Past its session timeout. `companion`: a second instance is there to take over its partitions.
   */
  | { readonly kind: `pause ${Consumer}`; readonly companion: boolean }
  | { readonly kind: `two of ${Consumer}` }
  | { readonly kind: 'kill Kafka' | 'kill PostgreSQL' | 'stop PostgreSQL at once' | 'kill registry' | 'kill Mosquitto' }
  | { readonly kind: 'reset connections' | 'stall connections' | 'half-open connections'; readonly link: Link }
  | { readonly kind: 'fill disk' }
  /**
   * The connections on which the database tells of changes of devices: nothing passes any more, and
   * a device moves to another account.
   */
  | { readonly kind: 'stall notifications' }
  | { readonly kind: 'hostile device'; readonly attack: Attack }
  /** The standby lacks what was committed for so long, and takes over: promotions.ts. */
  | { readonly kind: 'promote standby'; readonly lagMs: number }
  /** PostgreSQL loses its power at the first commit that follows a claim. */
  | { readonly kind: 'first commit'; readonly consumer: 'store' | 'continuity' }
)
export type FaultKind = Fault['kind']
/** Of the shuffled rounds. */
type RoundKind = Exclude<LineFault['kind'], 'first commit' | 'promote standby'>

interface Lasting {
  readonly least: number
  readonly most: number
}

export interface ScheduleOptions {
  readonly seed: number
  /** Every fault is over by then. */
  readonly durationMs: number
  /** Of Kafka's consumers: a pause is longer. */
  readonly sessionTimeoutMs: number
  /** A disk of limited size can be made here. */
  readonly diskCanFill: boolean
}

/** From the beginning of one fault to that of the next: they overlap. */
const GAP_MS: Lasting = { least: 2_500, most: 6_500 }
const FIRST_MS = 3_000
/** Mosquitto gives a client one and a half keep-alive intervals (of 15 s) of silence. */
const BRIDGE_PAUSE_MS: Lasting = { least: 23_000, most: 27_000 }
/**
 * A consumer that waits for an answer for as long as it may must be caught while it still believes
 * in what it knows.
 */
const NOTIFICATIONS_MS: Lasting = { least: 11_000, most: 14_000 }
/**
 * The bridge's queue grows for so long before Mosquitto is killed: the bridge needs longer to come
 * back.
 */
const QUEUE_MS = 700
/**
 * How long each side needs to notice that nobody is there any more: keep-alive, or the longest wait
 * for an answer, and to connect again.
 */
const NOTICE_MS: Readonly<Record<Link, number>> = { devices: 100_000, bridge: 40_000, kafka: 45_000, databases: 60_000 }

/**
 * Faults in order of time, as the seed has them. Kinds come round by round in shuffled order, so
 * that each comes as often as any other; no fault ends after `durationMs`.
 */
export function planFaults({ seed, durationMs, sessionTimeoutMs, diskCanFill }: ScheduleOptions): readonly Fault[] {
  const random = createRandom(seed)
  const faults: Fault[] = []
  let kinds: RoundKind[] = []
  for (let atMs = FIRST_MS; ; atMs += random.whole(GAP_MS.least, GAP_MS.most)) {
    if (kinds.length === 0) kinds = random.shuffled(everyKind(diskCanFill))
    const fault = planFault(random, kinds.pop() as RoundKind, atMs, durationMs, sessionTimeoutMs)
    if (fault.atMs + fault.forMs <= durationMs) faults.push(fault)
    if (atMs > durationMs) return faults
  }
}

/**
 * At the very beginning, where everything is claimed for the first time. One after another: each
 * waits for PostgreSQL.
 */
export function planFirstCommits(): readonly Fault[] {
  return (['store', 'continuity'] as const).map((consumer) => ({ kind: 'first commit', consumer, atMs: 0, forMs: 0 }))
}

/**
 * Kills of Mosquitto, which acknowledges to devices what it has only in memory. The bridge is
 * killed just before the first and before every other one by chance, so that there is something in
 * that memory to be lost. The last kill is followed by load, whose numbers show what is missing.
 */
export function planBrokerKills(seed: number, durationMs: number): readonly Fault[] {
  const random = createRandom(seed ^ 0x4d515454)
  const faults: Fault[] = []
  for (let atMs = random.whole(4_000, 9_000); atMs + 12_000 <= durationMs; atMs += random.whole(8_000, 20_000)) {
    if (faults.length === 0 || random.next() < 0.5) faults.push({ kind: 'kill bridge', atMs: atMs - QUEUE_MS, forMs: 0 })
    faults.push({ kind: 'kill Mosquitto', atMs, forMs: random.whole(0, 3_000) })
  }
  return faults
}

function everyKind(diskCanFill: boolean): RoundKind[] {
  const kinds: RoundKind[] = [
    'kill bridge',
    'kill standardise',
    'kill store',
    'kill movement',
    'kill alerts',
    'kill contact',
    'kill continuity',
    'pause bridge',
    'pause standardise',
    'pause store',
    'pause movement',
    'pause alerts',
    'pause contact',
    'two of standardise',
    'two of store',
    'two of movement',
    'two of alerts',
    'two of contact',
    'kill Kafka',
    'kill PostgreSQL',
    'stop PostgreSQL at once',
    'kill registry',
    'reset connections',
    'stall connections',
    'half-open connections',
    'stall notifications',
    'hostile device',
  ]
  return diskCanFill ? [...kinds, 'fill disk'] : kinds
}

function planFault(random: Random, kind: RoundKind, atMs: number, durationMs: number, sessionTimeoutMs: number): Fault {
  const lasting = ({ least, most }: Lasting): { readonly atMs: number; readonly forMs: number } => ({
    atMs,
    forMs: random.whole(least, most),
  })
  switch (kind) {
    case 'kill bridge':
    case 'kill standardise':
    case 'kill store':
    case 'kill movement':
    case 'kill alerts':
    case 'kill contact':
    case 'kill continuity':
      return { kind, ...lasting({ least: 0, most: 0 }) }
    case 'pause bridge':
      return { kind, ...lasting(BRIDGE_PAUSE_MS) }
    case 'pause standardise':
    case 'pause store':
    case 'pause movement':
    case 'pause alerts':
    case 'pause contact':
      return { kind, ...lasting({ least: sessionTimeoutMs + 2_000, most: sessionTimeoutMs + 6_000 }), companion: random.next() < 0.75 }
    case 'two of standardise':
    case 'two of store':
    case 'two of movement':
    case 'two of alerts':
    case 'two of contact':
      return { kind, ...lasting({ least: 6_000, most: 15_000 }) }
    case 'kill Kafka':
    case 'kill PostgreSQL':
    case 'kill Mosquitto':
      return { kind, ...lasting({ least: 0, most: 4_000 }) }
    case 'stop PostgreSQL at once':
    case 'kill registry':
      return { kind, ...lasting({ least: 1_000, most: 8_000 }) }
    case 'reset connections':
      return { kind, ...lasting({ least: 0, most: 0 }), link: random.pick(links) }
    case 'stall connections':
      return { kind, ...lasting({ least: 2_000, most: 12_000 }), link: random.pick(links) }
    case 'half-open connections': {
      const possible = links.filter((link) => atMs + NOTICE_MS[link] <= durationMs)
      const link = random.pick([possible[0] ?? 'bridge', ...possible.slice(1)])
      return { kind, atMs, forMs: NOTICE_MS[link], link }
    }
    case 'fill disk':
      return { kind, ...lasting({ least: 4_000, most: 10_000 }) }
    case 'stall notifications':
      return { kind, ...lasting(NOTIFICATIONS_MS) }
    case 'hostile device':
      return { kind, ...lasting({ least: 0, most: 0 }), attack: random.pick(attacks) }
  }
}
