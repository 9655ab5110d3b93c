import { expect } from 'chai'
import type { RecordProducer } from '../../connectors/contract.ts'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { partitionOf } from '../../connectors/kafka/partition.ts'
import { topics } from '../../processors/topics.ts'
import { frameRecord, openFrameProducer, testFirmware, wire } from '../pipeline/frames.ts'
import { LZ4, produceBatch, recordBatch, SNAPPY, withBody, ZSTD } from '../pipeline/raw-batches.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { testKafka } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'
import { sharedRegistry } from './schema-registry.ts'

const device = `bomb${Date.now().toString(36)}`
const firmware = testFirmware(device)
const start = Date.now() - 3_600_000
const PARTITIONS = 6
/** Of Kafka's resources, and of the sources of a setting. */
const TOPIC = 2
const OF_THE_TOPIC = 1
const partition = partitionOf(Buffer.from(device), PARTITIONS)
const three = recordBatch(['x', 'y', 'z'].map((text) => ({ key: Buffer.from(device), value: Buffer.from(text), timestamp: Date.now() })))

const body = three.subarray(61)
const bytes = (hex: string, ...rest: readonly (Buffer | number)[]): Buffer =>
  Buffer.concat([Buffer.from(hex, 'hex'), ...rest.map((each) => (typeof each === 'number' ? Buffer.from([each]) : each))])

/**
 * What somebody who may write to Kafka can put into a topic of the line. The others' formats hold
 * the bytes as they are.
 */
const batches = {
  'a gzip bomb': recordBatch([{ key: Buffer.from(device), value: Buffer.alloc(128 << 20), timestamp: Date.now() }], true),
  'a batch compressed with snappy': withBody(
    three,
    SNAPPY,
    // Of snappy-java: a head, the length of a block, the length of its text, a literal of so many
    // bytes.
    bytes('82534e4150505900000000010000000100000000', body.length, 0xf0, body.length - 1, body).fill(body.length + 3, 19, 20),
  ),
  'a batch compressed with lz4': withBody(three, LZ4, bytes('04224d18604082', body.length, 0, 0, 0x80, body, Buffer.alloc(4))),
  'a batch compressed with zstd': withBody(
    three,
    ZSTD,
    bytes('28b52ffd20', body.length, 1 | ((body.length << 3) & 0xff), body.length >> 5, 0, body),
  ),
}

describe('a batch that cannot be read, of a foreign producer', function () {
  this.timeout(60_000)
  const { use } = closing()
  let outcomes: Outcomes
  let producer: RecordProducer
  let schemaId: number
  let seq = 0
  const services: RunningService[] = []

  const frame = async (): Promise<void> => {
    await producer.send([frameRecord(device, wire(schemaId, firmware.datum(seq, start + seq * 1_000, [2000])))])
    seq++
  }
  const unreadable = async (): Promise<number> =>
    (await outcomes.deadLetters()).filter(({ reason, detail }) => reason === 'undecodable' && detail.includes('cannot be read')).length

  before(async () => {
    await provision(device)
    schemaId = await sharedRegistry().register(firmware.subject, firmware.schema('0.01'))
    outcomes = await use(openOutcomes())
    producer = await use(openFrameProducer())
    for (const service of [['run', 'standardise'], ['store']]) services.push(await use(startService(...service)))
  })

  it('does not become every record of a topic that Kafka itself compresses: the service says what to set, and ends', async () => {
    const kafka = testKafka()
    const admin = kafka[KAFKAJS].admin()
    const resource = { type: TOPIC, name: topics.deviceStatus }
    await admin.connect()
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
    const own = (resources[0]?.configEntries ?? [])
      .filter(({ configSource }) => configSource === OF_THE_TOPIC)
      .map(({ configName, configValue }) => ({ name: configName, value: configValue }))
    // Replaces all that is the topic's own.
    const set = (...more: readonly { readonly name: string; readonly value: string }[]): Promise<unknown> =>
      admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [...own, ...more] }] })
    try {
      await set({ name: 'compression.type', value: 'zstd' })
      const error = await millrace('run', 'devices').catch(String)
      expect(error).to.include('topic device.status has compression.type zstd, which is not read here')
    } finally {
      await set()
      await admin.disconnect()
    }
  })

  for (const topic of [topics.frames, topics.readings]) {
    for (const [what, batch] of Object.entries(batches)) {
      it(`is one dead letter, and the line goes on: ${what} in ${topic}`, async () => {
        const before = await unreadable()
        await produceBatch(topic, partition, batch)
        await frame()
        await until('the frame behind it is stored', async () => (await outcomes.rows(device)) === seq)
        await until('its dead letter is there', async () => (await unreadable()) === before + 1)
        for (const service of services) {
          expect(await service.health()).to.deep.equal({})
          expect(service.memoryBytes()).to.be.below(300 << 20)
        }
      })
    }
  }
})
