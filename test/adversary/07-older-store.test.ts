import avro from 'avsc'
import { expect } from 'chai'
import type { RecordProducer } from '../../connectors/contract.ts'
import { readings, valueSubject } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { openFrameProducer, wire } from '../pipeline/frames.ts'
import { type RunningService, startService, until } from '../pipeline/service.ts'
import { askRegistry } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `older${Date.now().toString(36)}`
const NEW_QUANTITY = {
  name: 'bee_count',
  type: ['null', 'double'],
  default: null,
  unit: '%',
  minimum: 0,
  maximum: 100,
  doc: 'Soil moisture.',
}

/** The schema of readings as a later version would have it. */
function newerSchema(): Record<string, unknown> {
  const schema = structuredClone(readSchema('readings').json) as { fields: { name: string; type: { items: { fields: unknown[] } } }[] }
  schema.fields.find(({ name }) => name === 'samples')?.type.items.fields.push(NEW_QUANTITY)
  return schema
}

describe('a store older than the schema of readings', () => {
  const { use, atEnd } = closing()
  const schema = newerSchema()
  const type = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
  let outcomes: Outcomes
  let producer: RecordProducer
  let store: RunningService
  /** Topic and partition that are held. */
  let place = ''
  let registered = 0

  const reading = (seq: number, bee_count: number | null): Buffer => {
    const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))
    const sample = {
      ts: (Date.now() - 1000) * 1000 + seq,
      time_estimated: false,
      account_id: null,
      site_id: null,
      ...none,
      temperature: 20,
      bee_count,
    }
    return type.toBuffer({ device_id: run, firmware: 'soil-1', boot: 1, seq, dropped: 0, samples: [sample] })
  }
  const send = (schemaId: number, datum: Buffer) =>
    producer.send([{ topic: readings.topic, key: Buffer.from(run), value: wire(schemaId, datum), timestampMs: Date.now() }])
  const versions = `/subjects/${valueSubject(readings.topic)}/versions`
  const ask = async (path: string, method = 'GET', body?: unknown): Promise<unknown> => {
    const headers = { 'Content-Type': 'application/vnd.schemaregistry.v1+json' }
    const response = await askRegistry(`${versions}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${versions}${path}: ${response.status}`)
    return response.json()
  }
  const latest = async () => (await ask('/latest')) as { readonly id: number; readonly version: number }

  before(async () => {
    await provision(run)
    outcomes = await use(openOutcomes())
    producer = await use(openFrameProducer())
    store = await startService('store')
    atEnd(async () => {
      await store[Symbol.asyncDispose]()
      // What it stopped at would stop the next file's store too.
      await outcomes.query(
        "UPDATE consumer_offset SET next_offset = next_offset + 2 WHERE consumer = 'store' AND topic || '/' || partition = $1",
        [place],
      )
      if (registered > 0) await ask(`/${registered}`, 'DELETE')
    })
  })

  it('stores what came before, holds the partition, and says that it must be upgraded; it stores no row without the new values', async () => {
    const { id: current } = await latest()
    const older = avro.Type.forSchema(readSchema('readings').json as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
    const known = type.fromBuffer(reading(0, null)) as object
    await send(current, older.toBuffer(known))
    await ask('', 'POST', { schema: JSON.stringify(schema) })
    const { id: newer, version } = await latest()
    registered = version
    expect(newer).to.not.equal(current)
    await send(newer, reading(1, null))
    await send(newer, reading(2, 31))
    const held = async () => Object.entries((await store.health()) ?? {}).filter(([part]) => part.startsWith(readings.topic))
    await until('health says it', async () => (await held()).length > 0)
    const [[where, why] = ['', '']] = await held()
    place = where
    expect(why).to.contain('bee_count, which this version of the store does not know: upgrade the store')
    await until('what came before is stored', async () => (await outcomes.rows(run)) === 1)
    expect(await outcomes.reasons(run)).to.deep.equal([])
  })
})
