import { randomBytes } from 'node:crypto'
import avro from 'avsc'
import { readSchema } from '../../schemas/files.ts'
import { openHostileClient } from '../adversary/hostile-client.ts'
import { hiveFingerprint } from '../pipeline/hive-frames.ts'

/** What a device does that is broken or means harm; each is one of a kind that was met. */
export const attacks = [
  'junk',
  'malformed frames',
  'unknown names',
  'NUL in statuses',
  'days apart',
  'a day each',
  'wrong clocks',
  'long topics',
  'unknown fingerprints',
  'over-size payloads',
  'many boots',
  'huge numbers',
  'strange JSON',
  'one time for all',
  'flood of good frames',
  'flood of statuses',
] as const
export type Attack = (typeof attacks)[number]

/** Hostile devices that are provisioned: each partition has some of them. */
export const HOSTILE_DEVICES = Array.from({ length: 12 }, (_, number) => `evil-${number}`)

/** Names that are also properties of every object: a device that is called so is nobody's. */
const NAMES = ['constructor', 'toString', 'hasOwnProperty', '__proto__']

/** Whether a device, or a level of a topic, is one of the attackers'. */
export function isHostile(name: string): boolean {
  return name.startsWith('evil-') || NAMES.includes(name)
}

type Message = readonly [topic: string, payload: Buffer | string]

interface HostileFrame {
  readonly boot: number
  readonly seq: number
  readonly base: number
  readonly dt: readonly number[]
}

const DAY_MS = 86_400_000
const frameType = avro.Type.forSchema(readSchema('firmware/hive-1').json as avro.Schema)

/**
 * Runs an attack to its end: until the broker has answered all that it sends.
 * @param scale 1 for the real thing, less for a part of it
 * @returns how many messages were sent
 */
export async function attack(kind: Attack, url: string, scale: number): Promise<number> {
  await using client = await openHostileClient({ url, clientId: `evil-${randomBytes(6).toString('hex')}` })
  const codes = await client.flood(messages(kind, (count) => Math.ceil(count * scale)))
  return [...codes.values()].reduce((sum, count) => sum + count, 0)
}

function* messages(kind: Attack, count: (whole: number) => number): Generator<Message> {
  const numbers = (whole: number): readonly number[] => Array.from({ length: count(whole) }, (_, number) => number)
  const device = (number: number): string => HOSTILE_DEVICES[number % HOSTILE_DEVICES.length] ?? 'evil-0'
  const now = Date.now()
  switch (kind) {
    case 'junk':
      for (const number of numbers(4_000)) yield [telemetry(device(0)), randomBytes(1 + (number % 300))]
      return
    case 'malformed frames':
      for (const number of numbers(4_000)) yield [telemetry(device(1)), Buffer.concat([head(hiveFingerprint), randomBytes(number % 60)])]
      return
    case 'unknown names':
      for (const number of numbers(15_000)) yield [telemetry(`evil-stranger-${now}-${number}`), '{"temperature":20}']
      return
    case 'NUL in statuses':
      for (const number of numbers(3_000)) yield [status(device(2)), `{"state":"ready","boot":${number},"firmware":"evil\\u0000"}`]
      return
    case 'days apart':
      for (const number of numbers(20)) {
        const dt = Array.from({ length: 3_600 }, (_, index) => (index === 0 ? 0 : DAY_MS))
        yield [telemetry(device(3)), frame({ boot: 1, seq: number, base: now - 3_600 * DAY_MS, dt })]
        const days = Array.from({ length: 1_000 }, (_, index) => ({ ts: now - (index + 1) * DAY_MS - number, temperature: 20 }))
        yield [telemetry(device(4)), JSON.stringify(days)]
      }
      return
    case 'a day each':
      for (const number of numbers(1_500))
        yield [telemetry(device(4)), frame({ boot: 5, seq: number, base: now - (number + 1) * 2 * DAY_MS, dt: [0] })]
      return
    case 'wrong clocks':
      for (const number of numbers(60)) {
        const dt = Array.from({ length: 1_500 }, (_, index) => (index === 0 ? 0 : 1_000))
        for (const base of [5_000 + number, Date.UTC(2099, 0, 1) + number, -1, Number.MAX_SAFE_INTEGER - 2_000_000])
          yield [telemetry(device(5)), frame({ boot: 2, seq: number, base, dt })]
        yield [telemetry(device(5)), JSON.stringify(dt.map((_, index) => ({ ts: index, temperature: 20 })))]
      }
      return
    case 'long topics':
      for (const number of numbers(1_000)) yield [telemetry(`evil-${number}-${'x'.repeat(60_000)}`), '{"temperature":20}']
      return
    case 'unknown fingerprints':
      for (const number of numbers(2_000)) yield [telemetry(device(6)), Buffer.concat([head(randomBytes(8)), randomBytes(number % 100)])]
      return
    case 'over-size payloads':
      for (const number of numbers(200)) yield [telemetry(device(7)), randomBytes(number % 10 === 0 ? 2_000_000 : 100_000)]
      return
    case 'many boots':
      for (const boot of numbers(20_000)) yield [telemetry(device(8)), frame({ boot, seq: 0, base: now - boot * 1_000, dt: [0] })]
      return
    case 'huge numbers':
      for (const number of numbers(500)) {
        yield [telemetry(device(9)), frame({ boot: 2_147_483_647 - number, seq: 2_147_483_647, base: now - number, dt: [0] })]
        yield [telemetry(device(9)), frame({ boot: 1, seq: (number * 4_294_967) % 2_147_483_647, base: now - number * 7, dt: [0] })]
      }
      return
    case 'strange JSON':
      for (const number of numbers(300)) {
        yield [telemetry(device(10)), '['.repeat(30_000)]
        yield [status(device(10)), `${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}`]
        yield [telemetry(device(10)), `{"ts":"2026-02-30T25:61:00Z","temperature":1e999,"n":${number}}`]
        yield [telemetry(device(10)), `{"temperature":20}${'\0'.repeat(number)}`]
        yield [telemetry(device(10)), Buffer.from('7b2274656d7065726174757265223a32302c22ff223a317d', 'hex')]
        for (const name of NAMES) yield [telemetry(name), `{"temperature":20,"${name}":1}`]
      }
      return
    case 'one time for all':
      for (const number of numbers(2_000)) {
        yield [telemetry(device(11)), JSON.stringify({ ts: now, temperature: number % 50 })]
        yield [telemetry(device(11)), frame({ boot: 3, seq: number, base: now, dt: Array(20).fill(0) })]
      }
      return
    case 'flood of good frames':
      for (const number of numbers(15_000)) yield [telemetry(device(0)), frame({ boot: 4, seq: number, base: now - number, dt: [0] })]
      return
    case 'flood of statuses':
      for (const number of numbers(8_000)) yield [status(device(number)), `{"state":"ready","boot":${number},"firmware":"evil-${number}"}`]
  }
}

function frame({ boot, seq, base, dt }: HostileFrame): Buffer {
  const temperature = dt.map((_, index) => (index === 0 ? 2_000 : index % 2 === 0 ? -1 : 1))
  return Buffer.concat([
    head(hiveFingerprint),
    frameType.toBuffer({ boot, seq, clock: 'SYNCED', base, dropped: 0, dt: [...dt], temperature, humidity: [] }),
  ])
}

function head(fingerprint: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xc3, 1]), fingerprint])
}

function telemetry(device: string): string {
  return `devices/${device}/telemetry`
}

function status(device: string): string {
  return `devices/${device}/status`
}
