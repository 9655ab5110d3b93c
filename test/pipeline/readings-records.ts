import { createRegistry } from '../../connectors/registry/registry.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { readings, topics } from '../../processors/topics.ts'
import { quantities, readingsSchema } from '../../schemas/generated/readings.ts'
import { registeredId, schemaHeaders } from '../../services/registered.ts'
import { address } from './stack-clients.ts'

export interface TestReadings {
  readonly device: string
  /** Of the first sample. */
  readonly tsMicros: number
  /** Microseconds between samples. */
  readonly everyMicros: number
  /** Null for a sample without a temperature. */
  readonly temperatures: readonly (number | null)[]
  readonly account?: number
  readonly site?: number
  readonly receivedMs?: number
}

const TEMPERATURE = quantities.findIndex(({ name }) => name === 'temperature')

/** Records of telemetry.readings, as a processor writes them. */
export async function readingsRecords(all: readonly TestReadings[]): Promise<readonly OutgoingRecord[]> {
  const schemaId = await registeredId(createRegistry(address('REGISTRY_URL')), topics.readings, readingsSchema)
  const encode = readings.encoder(schemaId, 900_000)
  const headers = schemaHeaders(readingsSchema)
  return all.map(({ device, tsMicros, everyMicros, temperatures, account = -1, site = -1, receivedMs = Date.now() }, seq) => {
    const count = temperatures.length
    const value = encode({
      deviceId: Buffer.from(device),
      firmware: Buffer.from('hive-1'),
      boot: 1,
      seq,
      dropped: 0,
      count,
      ts: Float64Array.from(temperatures, (_, index) => tsMicros + index * everyMicros),
      timeEstimated: false,
      account: new Float64Array(count).fill(account),
      site: new Float64Array(count).fill(site),
      values: quantities.map((_, index) =>
        index === TEMPERATURE ? Float64Array.from(temperatures, (each) => each ?? Number.NaN) : undefined,
      ),
      excluded: new Uint8Array(count),
    })
    const bytes = Buffer.isBuffer(value) ? value : value[0]
    if (bytes === undefined) throw new Error('a record of readings is empty')
    return { topic: topics.readings, key: Buffer.from(device), value: Buffer.from(bytes), timestampMs: receivedMs, headers }
  })
}
