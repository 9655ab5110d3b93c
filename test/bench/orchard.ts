import mqtt from 'mqtt'
import { clientOptions } from '../../connectors/mqtt/client-options.ts'
import type { BrokerAccess } from '../../connectors/mqtt/dial.ts'
import { addRule, type NewRule } from '../../connectors/postgres/alert-rules.ts'
import type { Database } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import type { DeviceId } from '../../processors/contract.ts'

/** 15 million samples a day. */
export const DAILY_SAMPLES = 15_000_000
const DAY_MS = 86_400_000
const SAMPLE_MS = DAY_MS / DAILY_SAMPLES

const ACCOUNTS = 50
/** Hives of an orchard, which are a few metres apart. */
const HIVES_OF_ORCHARD = 200
const METRES_OF_DEGREE = 111_320
/** Orchards are further apart than two sites must be. */
const ORCHARDS_APART_METRES = 3_000
const ORCHARDS_IN_ROW = 100
const DRIFT_METRES = 15
const MOST_OF_LATENCY = 2_000
/** MQTT has 65,535 packet identifiers: MQTT.js forgets a message whose identifier it uses again. */
const MOST_IN_FLIGHT = 20_000

export interface Orchard {
  readonly devices: number
}

/** A sample that was published, and when: milliseconds since 1970. */
export interface Published {
  readonly device: string
  readonly tsMs: number
  readonly atMs: number
}

const idOf = (index: number): DeviceId => `hive-${String(index).padStart(6, '0')}` as DeviceId

/** Devices in accounts, and rules of each account: threshold, rate, night drop and silence. */
export async function provisionOrchard(database: Database, { devices }: Orchard): Promise<void> {
  const each = Math.ceil(devices / ACCOUNTS)
  for (let account = 0; account < ACCOUNTS; account++) {
    const name = `Bees ${account}`
    const ids = Array.from({ length: Math.min(each, devices - account * each) }, (_, index) => idOf(account * each + index))
    if (ids.length === 0) break
    await provisionDevices(database, { account: name, site: null, devices: ids, from: null })
    for (const rule of rules(name)) await addRule(database, rule)
  }
}

function rules(account: string): readonly NewRule[] {
  const none = { account, clearLevel: null, windowSeconds: null, zone: null, nightFrom: null, nightTo: null, devices: null, sites: null }
  const weight = { ...none, quantity: 'weight' }
  return [
    { ...none, name: 'hot', kind: 'threshold', quantity: 'temperature', direction: 'above', level: 38, clearLevel: 36, forSeconds: 600 },
    { ...weight, name: 'swarm', kind: 'rate', direction: 'below', level: -2, clearLevel: -1, forSeconds: 0, windowSeconds: 900 },
    {
      ...{ ...weight, name: 'robbed', kind: 'night_drop', direction: null, level: 3, clearLevel: 1, forSeconds: 0 },
      ...{ zone: 'Europe/Berlin', nightFrom: '22:00', nightTo: '05:00' },
    },
    { ...none, name: 'silent', kind: 'silence', quantity: null, direction: null, level: null, forSeconds: 7_200 },
  ]
}

/**
 * Hives at rest in orchards that publish in turn, one sample a message, as many as the day has:
 * samples are 5.76 ms apart by their own times, which go as much faster as the load does.
 */
export class OrchardLoad implements AsyncDisposable {
  private readonly client: mqtt.MqttClient
  private readonly devices: number
  private readonly beganMs: number
  /** Samples so far. */
  count = 0

  private constructor(client: mqtt.MqttClient, devices: number, beganMs: number) {
    this.client = client
    this.devices = devices
    this.beganMs = beganMs
  }

  /** Samples begin half a day ago. */
  static async open(broker: BrokerAccess, { devices }: Orchard): Promise<OrchardLoad> {
    const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5, clientId: 'bench-orchard', ...clientOptions(broker) })
    return new OrchardLoad(client, devices, Date.now() - DAY_MS / 2)
  }

  /**
   * Publishes for so long, as the clock says, and waits for the acknowledgements.
   * @returns some of what was published, for its latency
   */
  async publish(perSecond: number, seconds: number): Promise<readonly Published[]> {
    const total = Math.round(perSecond * seconds)
    const every = Math.max(1, Math.floor(total / MOST_OF_LATENCY))
    const picked: Published[] = []
    const began = performance.now()
    let acknowledged = 0
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, acknowledged + MOST_IN_FLIGHT, Math.floor(((performance.now() - began) / 1_000) * perSecond))
      for (; sent < due; sent++) {
        const { device, tsMs, text } = this.next()
        if (sent % every === 0) picked.push({ device, tsMs, atMs: Date.now() })
        this.client.publish(`devices/${device}/telemetry`, text, { qos: 1 }, (error) => {
          if (error) throw error
          acknowledged++
        })
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    while (acknowledged < total) await new Promise((resolve) => setTimeout(resolve, 20))
    return picked
  }

  private next(): { readonly device: DeviceId; readonly tsMs: number; readonly text: string } {
    const number = this.count++
    const index = number % this.devices
    const tsMs = Math.round(this.beganMs + number * SAMPLE_MS)
    const orchard = Math.floor(index / HIVES_OF_ORCHARD)
    const noise = (salt: number): number => (((number * 2_654_435_761 + salt * 40_503) >>> 0) / 2 ** 32 - 0.5) * 2
    const degrees = (metres: number): number => metres / METRES_OF_DEGREE
    const sample = {
      ts: tsMs,
      temperature: Math.round((33 + noise(1) * 6) * 100) / 100,
      weight: Math.round((40 + noise(2)) * 100) / 100,
      battery_level: 80,
      latitude: 40 + degrees(Math.floor(orchard / ORCHARDS_IN_ROW) * ORCHARDS_APART_METRES + noise(3) * DRIFT_METRES),
      longitude: 5 + degrees((orchard % ORCHARDS_IN_ROW) * ORCHARDS_APART_METRES + noise(4) * DRIFT_METRES),
    }
    return { device: idOf(index), tsMs, text: JSON.stringify(sample) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync()
  }
}
