import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { ConnectorError } from '../../../connectors/contract.ts'
import { partitionOf } from '../../../connectors/kafka/partition.ts'
import type { TailPart } from '../../../connectors/kafka/topic-tail.ts'
import type { KafkaRecord } from '../../../processors/contract.ts'
import { readings } from '../../../processors/topics.ts'
import { quantities, readingsSchema } from '../../../schemas/generated/readings.ts'
import { createLiveTail, type TailedReadings } from './live-tail.ts'
import type { LiveReading } from './messages.ts'

const PARTITIONS = 3
const SCHEMA = 7
const encode = readings.encoder(SCHEMA, 900_000)

/** A record of one reading: its temperature at a millisecond. */
function record(key: string, tsMs: number, temperature: number, deviceId = key): KafkaRecord {
  const value = encode({
    deviceId: Buffer.from(deviceId),
    firmware: Buffer.from('hive-1'),
    boot: 1,
    seq: 1,
    dropped: 0,
    count: 1,
    ts: Float64Array.of(tsMs * 1000),
    timeEstimated: false,
    account: Float64Array.of(-1),
    site: Float64Array.of(-1),
    values: quantities.map(({ name }) => (name === 'temperature' ? Float64Array.of(temperature) : undefined)),
    excluded: new Uint8Array(1),
  })
  const bytes = Buffer.from(Buffer.isBuffer(value) ? value : (value[0] as Buffer))
  return { key: Buffer.from(key), value: bytes, offset: 0n, timestampMs: tsMs }
}

/** A topic in memory: what is put into it comes with the next round. */
class FakeTail {
  waiting: KafkaRecord[] = []
  skipping = new Set<number>()
  failure: ConnectorError | undefined
  rounds: (readonly number[])[] = []
  closed = 0

  async next(partitions: ReadonlySet<number>): Promise<readonly TailPart[]> {
    await delay(1)
    this.rounds.push([...partitions].sort())
    if (this.failure !== undefined) throw this.failure
    const records = this.waiting.splice(0)
    return [...partitions].map((partition) => ({
      partition,
      records: records.filter(({ key }) => partitionOf(key as Buffer, PARTITIONS) === partition),
      skipped: this.skipping.delete(partition) ? 5n : 0n,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed++
  }
}

describe('the live tail', () => {
  let tail: FakeTail
  let asked: number[]
  let stop: AbortController
  const open = () =>
    createLiveTail({
      tail,
      partitions: async () => PARTITIONS,
      registry: {
        schemaOf: async (id) => {
          asked.push(id)
          return { type: 'AVRO', schema: JSON.stringify(readingsSchema.json) } as never
        },
      },
      limits: { pauseMs: 1, devices: 3 },
    })
  const until = async (holds: () => boolean): Promise<void> => {
    for (const end = Date.now() + 5_000; !holds(); await delay(1)) if (Date.now() > end) throw new Error('it did not come')
  }

  const only = (device: string) => {
    const devices = [device]
    return () => devices
  }

  beforeEach(() => {
    tail = new FakeTail()
    asked = []
    stop = new AbortController()
  })

  it('gives each device its own readings, with those of its channels, and decodes no others', async () => {
    await using live = open()
    const came = new Map<string, TailedReadings[]>([
      ['a', []],
      ['b', []],
    ])
    const done = ['a', 'b'].map((device) => live.follow(only(device), (each) => came.get(device)?.push(each), stop.signal))
    await until(() => [...came.values()].every((each) => each.length === 1))
    expect([...came.values()].flat()).to.deep.equal([
      { readings: [], skipped: false },
      { readings: [], skipped: false },
    ])
    const strange = { ...record('c', 1, 1), value: Buffer.from([0, 0, 0, 0, 99, 1]) }
    tail.waiting.push(record('a', 1_000, 21.5), strange, record('b', 2_000, 3), record('a', 1_001, 34, 'a/brood'))
    await until(() => [...came.values()].every((each) => each.length === 2))
    expect(came.get('a')?.[1]?.readings).to.deep.equal([
      { deviceId: 'a', ts: 1_000, values: { temperature: 21.5 } },
      { deviceId: 'a/brood', ts: 1_001, values: { temperature: 34 } },
    ])
    expect(came.get('b')?.[1]?.readings.map(({ ts }) => ts)).to.deep.equal([2_000])
    expect(asked).to.deep.equal([SCHEMA])
    stop.abort()
    await Promise.all(done)
  })

  it('asks Kafka only for the partitions of devices that somebody looks at, and for nothing while nobody does', async () => {
    await using live = open()
    const done = live.follow(only('a'), () => undefined, stop.signal)
    await until(() => tail.rounds.length > 2)
    expect(new Set(tail.rounds.flat())).to.deep.equal(new Set([partitionOf(Buffer.from('a'), PARTITIONS)]))
    stop.abort()
    await done
    await until(() => tail.closed === 1)
    const { length } = tail.rounds
    await delay(20)
    expect(tail.rounds.length).to.equal(length)
  })

  it('says that readings were passed over, and goes past a record that cannot be read', async () => {
    await using live = open()
    const came: TailedReadings[] = []
    const done = live.follow(only('a'), (each) => came.push(each), stop.signal)
    await until(() => came.length === 1)
    tail.skipping.add(partitionOf(Buffer.from('a'), PARTITIONS))
    await until(() => came.length === 2)
    expect(came[1]).to.deep.equal({ readings: [], skipped: true })
    const good = record('a', 1, 1)
    tail.waiting.push({ ...good, value: (good.value as Buffer).subarray(0, 20) }, record('a', 2, 2))
    await until(() => came.length === 3)
    expect(came[2]?.readings.map(({ ts }) => ts)).to.deep.equal([2])
    stop.abort()
    await done
  })

  it('ends with the error if Kafka is not there, for everybody, and begins anew', async () => {
    await using live = open()
    tail.failure = new ConnectorError('ECONNREFUSED', true, 'following telemetry.readings')
    const done = ['a', 'b'].map((device) => live.follow(only(device), () => undefined, stop.signal).catch((cause: unknown) => cause))
    expect(await Promise.all(done)).to.deep.equal([tail.failure, tail.failure])
    tail.failure = undefined
    const came: TailedReadings[] = []
    const again = live.follow(only('a'), (each) => came.push(each), stop.signal)
    await until(() => came.length === 1)
    stop.abort()
    await again
  })

  it('follows many devices at once, and others from the next round on if their list changes', async () => {
    await using live = open()
    const came: LiveReading[] = []
    let devices: readonly string[] = ['a', 'b']
    let rounds = 0
    const take = ({ readings }: TailedReadings): void => {
      rounds++
      came.push(...readings)
    }
    const done = live.follow(() => devices, take, stop.signal)
    await until(() => rounds === 1)
    tail.waiting.push(record('a', 1, 1), record('b', 2, 2), record('c', 3, 3))
    await until(() => came.length === 2)
    devices = ['b', 'c']
    const before = tail.rounds.length
    await until(() => tail.rounds.length > before + 1)
    tail.waiting.push(record('a', 4, 4), record('b', 5, 5), record('c', 6, 6))
    await until(() => came.length === 4)
    expect(came.map(({ ts }) => ts).sort()).to.deep.equal([1, 2, 5, 6])
    stop.abort()
    await done
  })

  it('refuses to follow more devices than it may, and goes on with those that it follows', async () => {
    await using live = open()
    const came: TailedReadings[] = []
    const done = live.follow(only('a'), (each) => came.push(each), stop.signal)
    const refused = await live
      .follow(
        () => ['b', 'c', 'd'],
        () => undefined,
        stop.signal,
      )
      .catch((cause: unknown) => cause)
    expect(refused).to.include({ code: 'too-many-devices' })
    tail.waiting.push(record('a', 1, 1))
    await until(() => came.some(({ readings }) => readings.length === 1))
    stop.abort()
    await done
  })
})
