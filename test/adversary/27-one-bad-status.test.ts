import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { expect } from 'chai'
import type pg from 'pg'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { projectRoot, readSchema } from '../../schemas/files.ts'
import { produce, wire } from '../pipeline/frames.ts'
import { launchConfigured, startService, until } from '../pipeline/service.ts'
import { address, testDatabase } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { messagesOf, provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `s27-${Date.now().toString(36)}`
const schema = readSchema('device-status').json
const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })

/** Lines of a case, with devices of this run's own. */
function caseLines(name: string): string {
  return readFileSync(`${projectRoot}test/adversary/cases/${name}.ndjson`, 'utf8').replaceAll('"devices/', `"devices/${run}-`)
}

describe('a status that cannot be taken, or is not the newest', () => {
  const { use } = closing()
  let outcomes: Outcomes
  let app: pg.Client

  const device = (name: string): string => `${run}-${name}`
  const stateOf = async (name: string): Promise<unknown> =>
    (await app.query('SELECT state, boot, firmware FROM device_status WHERE device_id = $1', [device(name)])).rows[0]
  const becomes = (name: string, state: string, boot: number): Promise<void> =>
    until(`${name} is ${state} of boot ${boot}`, async () => {
      const known = (await stateOf(name)) as { state: string; boot: number } | undefined
      return known?.state === state && known.boot === boot
    })

  before(async () => {
    await provision(...['dev-a', 'dev-b', 'dev-i', 'dev-o'].map(device))
    app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    outcomes = await use(openOutcomes(['bridge', 'devices']))
  })

  after(async () => {
    await app?.end()
  })

  it('is a dead letter by itself: the good ones of its device and of others, in the same batch, are applied', async () => {
    await using bridge = await startService('bridge')
    await sendMessages(messagesOf(caseLines('02-status-nul-in-firmware')))
    await until(
      'the bridge has forwarded two',
      async () => (await bridge.metric('millrace_forwarded_messages_total', { kind: 'status' })) === 2,
    )
    await using _devices = await startService('run', 'devices')
    await becomes('dev-a', 'init', 1)
    await becomes('dev-b', 'ready', 1)
    expect(await stateOf('dev-b')).to.have.property('firmware', 'hive-1')
    const [deadLetter, ...others] = await outcomes.deadLetters(device('dev-a'), device('dev-b'))
    expect(others).to.deep.equal([])
    expect(deadLetter).to.include({ processor: 'bridge', reason: 'bad-status' })
    expect(deadLetter?.detail).to.equal('"firmware": expected text without NUL and halves of characters, got \\u0000 at position 6')
  })

  it('is a dead letter by itself also if an older bridge has let it through', async () => {
    const id = await createRegistry(address('REGISTRY_URL')).register(valueSubject(topics.deviceStatus), JSON.stringify(schema))
    const status = (received: number, state: string, firmware: string) => ({
      topic: topics.deviceStatus,
      key: Buffer.from(device('dev-o')),
      value: wire(id, type.toBuffer({ device_id: device('dev-o'), received, state, boot: 3, firmware, retained: false, detail: null })),
      timestampMs: Date.now(),
    })
    const now = Date.now() * 1000
    await produce([
      status(now, 'init', 'hive-1'),
      status(now + 1, 'ready', 'hive-1\0'),
      status(now + 2, 'ready', 'hive-2'),
      { ...status(now + 3, 'lost', 'hive-3'), value: wire(id, Buffer.from('no status')) },
    ])
    await using _devices = await startService('run', 'devices')
    await becomes('dev-o', 'ready', 3)
    expect(await stateOf('dev-o')).to.have.property('firmware', 'hive-2')
    await until('two dead letters', async () => (await outcomes.reasons(device('dev-o'))).length === 2)
    expect(await outcomes.reasons(device('dev-o'))).to.deep.equal(['devices undecodable', 'devices undecodable'])
  })

  it('does not turn the state back if the broker had retained it and a new session of the bridge meets it', async () => {
    await using handler = await startService('run', 'devices')
    const topic = `devices/${device('dev-i')}/status`
    {
      await using bridge = await launchConfigured(`bridge: { client_id: ${run}-first }\n`, 'bridge')
      await bridge.ready()
      await sendMessages(messagesOf(caseLines('17-stale-retained-status')))
      await becomes('dev-i', 'ready', 7)
      await sendMessages([{ topic, payload: '{"state":"sleeping","boot":8}' }])
      await becomes('dev-i', 'sleeping', 8)
    }
    const handled = await handler.metric('millrace_records_total')
    try {
      await using bridge = await launchConfigured(`bridge: { client_id: ${run}-second }\n`, 'bridge')
      await bridge.ready()
      await until('the new session met it, and it was handled', async () => {
        const met = await bridge.metric('millrace_forwarded_messages_total', { kind: 'status' })
        return met > 0 && (await handler.metric('millrace_records_total')) >= handled + met
      })
      expect(await stateOf('dev-i')).to.include({ state: 'sleeping', boot: 8 })
    } finally {
      await sendMessages([{ topic, payload: '', retain: true }])
    }
  })
})
