import type { Position } from '../../processors/movement/distance.ts'
import { moved, trace } from '../../processors/movement/traces.ts'
import type { GoodReading } from './publisher.ts'
import { createRandom, type Random } from './random.ts'
import { openSender } from './sender.ts'

/** Hives that are moved from place to place, in truckloads: each truck's arrive together. */
export const HIVES: readonly string[] = Array.from({ length: 24 }, (_, number) => `chaos-bee-${number}`)
export const HIVE_ACCOUNT = 'chaos-bees'
const TRUCK = 8

/** Where they are taken to. Nothing is known of these places at first. */
export const PLACES: readonly [Position, ...Position[]] = [
  { latitude: 51.4, longitude: 7.1 },
  { latitude: 51.7, longitude: 7.9 },
  { latitude: 50.9, longitude: 6.4 },
  { latitude: 52.3, longitude: 8.8 },
  { latitude: 49.8, longitude: 7.6 },
  { latitude: 53.1, longitude: 6.9 },
]

/** Rules of the account, as `millrace alerts rules add` has them. */
export const RULES: readonly (readonly string[])[] = [
  ['hot', '--kind', 'threshold', '--quantity', 'temperature', '--above', '38', '--clear', '36', '--for', '1h'],
  ['lighter', '--kind', 'rate', '--quantity', 'weight', '--below', '-2', '--window', '15m'],
  ['robbed', '--kind', 'night-drop', '--quantity', 'weight', '--drop', '4', '--zone', 'Europe/Berlin'],
]
/** Of what the clock says, and not the samples: it must be true, and that is all. */
export const SILENCE_RULE = ['silent', '--kind', 'silence', '--for', '1m'] as const
/** Of `millrace devices silent-after`: the least, for a run is short. */
export const SILENT_AFTER = '1m'

/** Sends what hives measure: a year in an hour, for movement goes by the times of samples. */
export interface Hives extends AsyncDisposable {
  /** What each hive sent; repeats are not repeated. */
  readonly sent: ReadonlyMap<string, readonly GoodReading[]>
  /** Stops, and resolves once all is acknowledged. */
  drain(): Promise<void>
}

/** Samples of a message, and minutes between them. */
const SAMPLES = 3
const INTERVAL_MINUTES = 30
const MS_PER_MINUTE = 60_000
const TURNS = 4
/**
 * From one message of a hive to the next. More in a run of hours: time must not run into the
 * future.
 */
const LEAST_EVERY_MS = 1_000
const MOST_MESSAGES = 1_920
/** A message comes again, or only after those that were measured later. */
const REPEATED = 0.05
const HELD_BACK = 0.05
const HELD_FOR = 2
const GPS = { intervalMinutes: INTERVAL_MINUTES, driftMetres: 15, jumps: 0.02, missing: 0.03 }

export interface HivesOptions {
  readonly url: string
  readonly seed: number
  /** How long the load lasts, more or less. */
  readonly durationMs: number
}

export async function startHives({ url, seed, durationMs }: HivesOptions): Promise<Hives> {
  const sender = await openSender(url, 'chaos-hives')
  const everyMs = Math.max(LEAST_EVERY_MS, durationMs / MOST_MESSAGES)
  const startMs = Math.floor(Date.now() / MS_PER_MINUTE) * MS_PER_MINUTE - 2 * MOST_MESSAGES * SAMPLES * INTERVAL_MINUTES * MS_PER_MINUTE
  const sent = new Map<string, GoodReading[]>(HIVES.map((hive) => [hive, []]))
  const hives = HIVES.map((hive, number) => ({ hive, messages: messagesOf(seed, number, startMs) }))
  let turn = 0
  const timer = setInterval(() => {
    for (const [number, { hive, messages }] of hives.entries()) {
      if (number % TURNS !== turn % TURNS) continue
      for (const message of messages.next().value) {
        sender.publish(`devices/${hive}/telemetry`, payloadOf(message.readings))
        if (!message.repeat) sent.get(hive)?.push(...message.readings)
      }
    }
    turn++
  }, everyMs / TURNS)

  return {
    sent,
    async drain() {
      clearInterval(timer)
      await sender.drain()
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await sender[Symbol.asyncDispose]()
    },
  }
}

export interface Message {
  readonly readings: readonly GoodReading[]
  readonly repeat: boolean
}

/** What a hive publishes, turn by turn: repeats and late messages among it. */
export function* messagesOf(seed: number, number: number, startMs: number): Generator<readonly Message[], never> {
  const random = createRandom(seed ^ (0x62656573 + number))
  const readings = readingsOf(seed, number, startMs, random)
  let before: readonly GoodReading[] | undefined
  let held: { readonly message: Message; readonly until: number } | undefined
  for (let turn = 0; ; turn++) {
    const message: Message = { readings: Array.from({ length: SAMPLES }, () => readings.next().value), repeat: false }
    const messages: Message[] = []
    if (held === undefined && random.next() < HELD_BACK) held = { message, until: turn + HELD_FOR }
    else messages.push(message)
    if (held !== undefined && turn >= held.until) {
      messages.push(held.message)
      held = undefined
    }
    if (before !== undefined && random.next() < REPEATED) messages.push({ readings: before, repeat: true })
    before = messages[0]?.readings ?? before
    yield messages
  }
}

/** A hive's samples without end: it stands somewhere, is driven elsewhere, and so on. */
function* readingsOf(seed: number, number: number, startMs: number, random: Random): Generator<GoodReading, never> {
  // The same for all hives of a truck.
  const route = createRandom(seed ^ Math.floor(number / TRUCK))
  let [at, atMs] = [PLACES[0], startMs]
  let weight = 40
  let hot = 0
  for (;;) {
    const next = route.pick([at, ...PLACES.filter((place) => place !== at)])
    const stay = 60 * route.whole(6, 16)
    const road = stay + INTERVAL_MINUTES * route.whole(2, 6)
    const end = road + INTERVAL_MINUTES
    const spot = (place: Position): Position => moved(place, 1 + number, number)
    const legs = [{ untilMinute: stay, at: spot(at) }, { untilMinute: road }, { untilMinute: end, at: spot(next) }]
    for (const fix of trace(atMs * 1000, legs, { ...GPS, seed: random.whole(0, 2 ** 31) })) {
      if (hot === 0 && random.next() < 0.04) hot = random.whole(2, 8)
      const temperature = (hot > 0 ? 3_900 : 3_300) / 100 + random.whole(0, 200) / 100
      hot = Math.max(0, hot - 1)
      weight = random.next() < 0.03 ? Math.max(10, weight - 5) : weight + random.whole(0, 30) / 100
      yield {
        tsMs: fix.atMicros / 1000,
        temperature: rounded(temperature, 2),
        others: { weight: rounded(weight, 2), latitude: rounded(fix.latitude, 6), longitude: rounded(fix.longitude, 6) },
      }
    }
    atMs += end * MS_PER_MINUTE
    at = next
  }
}

function payloadOf(readings: readonly GoodReading[]): Buffer {
  return Buffer.from(JSON.stringify(readings.map(({ tsMs, temperature, others }) => ({ ts: tsMs, temperature, ...others }))))
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
