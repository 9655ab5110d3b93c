import { createHmac, randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type mqtt from 'mqtt'
import type pg from 'pg'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { type Alert, alertSchema } from '../../processors/alerts/generated/alert.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { launchConfigured, millrace, type RunningService, until } from './service.ts'
import { address, testDatabase, testKafka, testPublisher } from './stack-clients.ts'

const PROCESSORS = 'processors: [standardise, translate, alerts]\nwebhooks: { private_addresses: allow, timeout_ms: 20000 }\n'

const run = `al${Date.now().toString(36)}`
const [hot, still, other, hooked] = [`${run}-hot`, `${run}-still`, `${run}-other`, `${run}-hooked`]
const account = `${run}-bees`
/** Milliseconds since 1970. */
const began = Date.now() - 600_000

describe('alerts, on the line', () => {
  const services: RunningService[] = []
  const told: Alert[] = []
  let app: pg.Client
  let publisher: mqtt.MqttClient
  let stopReading: () => Promise<void> = async () => undefined

  before(async () => {
    // The bridge does not start without its topics.
    await millrace('migrate')
    const bridge = await launchConfigured(PROCESSORS, 'bridge')
    services.push(bridge)
    await millrace('migrate', '--config', bridge.config)
    await millrace('schemas', 'register', '--config', bridge.config)
    await millrace('devices', 'add', '--account', account, '--site', 'orchard', hot, still, other, hooked)
    app = testDatabase(address('APP_DATABASE_URL'))
    app.setTypeParser(20, BigInt)
    await app.connect()
    stopReading = await readAlerts()
    for (const args of [
      ['run', 'translate'],
      ['run', 'alerts'],
    ])
      services.push(await launchConfigured(PROCESSORS, ...args))
    for (const service of services) await service.ready()
    publisher = await testPublisher({ clientId: `${run}-publisher` })
  })

  after(async () => {
    await publisher?.endAsync()
    for (const service of services) await service[Symbol.asyncDispose]()
    await stopReading()
    await app?.end()
  })

  async function readAlerts(): Promise<() => Promise<void>> {
    const type = avroType(alertSchema.json)
    const kafka = testKafka(run)
    const consumer = kafka[KAFKAJS].consumer({ groupId: `${run}-reader-${randomUUID()}` })
    await consumer.connect()
    await consumer.subscribe({ topics: ['alerts'], fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message: { key, value } }) => {
        if (!key?.toString().startsWith(run) || value === null) return
        const alert: Alert = { ...(type.fromBuffer(value.subarray(WIRE_BYTES)) as Alert) }
        // One that was killed before it noted what Kafka has sends that again.
        if (!told.some(({ event_id: id }) => id === alert.event_id)) told.push(alert)
      },
    })
    return () => consumer.disconnect()
  }

  const publish = async (device: string, samples: readonly (readonly [minute: number, temperature: number])[]): Promise<void> => {
    const body = samples.map(([minute, temperature]) => ({ ts: began + minute * 60_000, temperature }))
    await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify(body), { qos: 1 })
  }
  const rows = async (device: string): Promise<readonly Record<string, unknown>[]> =>
    (
      await app.query<Record<string, unknown>>(
        'SELECT id, value, opened_at, closed_at, closed_because FROM alerts WHERE device_id = $1 ORDER BY opened_at',
        [device],
      )
    ).rows
  const events = (device: string): readonly string[] => told.filter(({ device_id: id }) => id === device).map(({ event }) => event)
  const addRule = (...words: readonly string[]): Promise<string> => millrace('alerts', 'rules', 'add', ...words, '--account', account)

  it('opens an alert by a rule that was added while it runs, and closes it: each a row, and a record of the topic', async () => {
    await addRule(
      'hot',
      '--kind',
      'threshold',
      '--quantity',
      'temperature',
      '--above',
      '38',
      '--clear',
      '36',
      '--for',
      '1m',
      '--device',
      hot,
    )
    await publish(hot, [
      [0, 39],
      [1, 40],
    ])
    await until('the alert is told', async () => events(hot).length === 1)
    expect(await rows(hot)).to.have.length(1)
    expect(told.at(-1)).to.include({ event: 'opened', rule: 'hot', value: 40, began: began * 1000, opened: began * 1000 + 60_000_000 })
    // Late, repeated and out of order: none of it opens or closes.
    await publish(hot, [[0.5, 10]])
    await publish(hot, [
      [1, 40],
      [0, 39],
    ])
    await publish(hot, [[2, 35]])
    await until('its end is told', async () => events(hot).length === 2)
    const [alert] = await rows(hot)
    expect(alert).to.include({ value: 40, closed_because: 'cleared' })
    expect(Number(alert?.closed_at)).to.equal(began + 120_000)
    const ids = told.filter(({ device_id: id }) => id === hot).map(({ event_id: id }) => id)
    expect(ids).to.deep.equal([`${String(alert?.id)}-opened`, `${String(alert?.id)}-closed`])
    expect(await millrace('alerts', 'list', '--account', account)).to.include(hot)
  })

  it('closes what a rule opened when it is removed, and a killed instance opens nothing twice', async () => {
    await addRule('warm', '--kind', 'threshold', '--quantity', 'temperature', '--above', '20', '--device', other)
    await publish(other, [[0, 25]])
    await until('the alert is told', async () => events(other).length === 1)
    const alerts = services.pop() as RunningService
    await alerts.kill()
    await alerts[Symbol.asyncDispose]()
    await publish(other, [[1, 26]])
    const again = await launchConfigured(PROCESSORS, 'run', 'alerts')
    services.push(again)
    await again.ready()
    await millrace('alerts', 'rules', 'remove', 'warm', '--account', account)
    await until('its end is told', async () => events(other).length === 2)
    expect(await rows(other)).to.have.length(1)
    expect((await rows(other))[0]).to.include({ closed_because: 'rule_off' })
    expect(events(other)).to.deep.equal(['opened', 'closed'])
  })

  it('sends signed messages to webhooks: again after a failure, in order, while another one hangs', async () => {
    const got: { readonly body: string; readonly signature: string; readonly event: string; readonly status: number }[] = []
    let hanging = 0
    const server: Server = createServer((request, response) => {
      if (request.url === '/hang') {
        hanging++
        return
      }
      let body = ''
      request.on('data', (chunk: Buffer) => (body += String(chunk)))
      request.on('end', () => {
        const status = got.length === 0 ? 500 : 200
        const { 'millrace-signature': signature, 'millrace-event': event } = request.headers
        got.push({ body, signature: String(signature), event: String(event), status })
        response.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      await millrace('alerts', 'webhooks', 'add', `${url}/hang`, '--account', account)
      const said = await millrace('alerts', 'webhooks', 'add', `${url}/take`, '--account', account)
      const secret = /secret: (\S+)/.exec(said)?.[1] ?? ''
      await addRule('hooked', '--kind', 'threshold', '--quantity', 'temperature', '--above', '38', '--device', hooked)
      await publish(hooked, [[0, 39]])
      await publish(hooked, [[1, 30]])
      await until('both were taken', async () => got.filter(({ status }) => status === 200).length === 2)
      expect(hanging).to.equal(1)
      expect(got.map(({ event }) => event.replace(/^.*-/, ''))).to.deep.equal(['opened', 'opened', 'closed'])
      for (const { body, signature } of got) {
        const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
        expect(mac).to.equal(createHmac('sha256', secret).update(`${time}.${body}`).digest('hex'))
      }
      expect(JSON.parse(got[0]?.body ?? '')).to.include({
        version: 1,
        event: 'opened',
        rule: 'hooked',
        device_id: hooked,
        value: 39,
        closed: null,
      })
      await until('the delivery is noted', async () =>
        /take +0 +0/.test(await millrace('alerts', 'webhooks', 'list', '--account', account)),
      )
      expect(await millrace('alerts', 'webhooks', 'list', '--account', account)).to.match(/hang +2 +0/)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('says that a device is silent once the line has listened for long enough, and not before', async () => {
    await addRule('quiet', '--kind', 'silence', '--for', '1m', '--device', still)
    await publish(still, [[0, 20]])
    await until('it is heard', async () => (await app.query('SELECT FROM alert_device WHERE device_id = $1', [still])).rowCount === 1)
    await until(
      'the line is listened to',
      async () => (await app.query("SELECT FROM process_listening WHERE process = 'alerts'")).rowCount === 1,
    )
    // A minute is too long for a test: the device was heard ten minutes ago, as after an outage.
    await app.query("UPDATE process_listening SET since = now() WHERE process = 'alerts'")
    await app.query("UPDATE alert_device SET heard_at = now() - interval '10 minutes' WHERE device_id = $1", [still])
    await new Promise((resolve) => setTimeout(resolve, 4_500))
    expect(await rows(still)).to.deep.equal([])
    await app.query("UPDATE process_listening SET since = now() - interval '10 minutes' WHERE process = 'alerts'")
    await until('the silence is told', async () => events(still).length === 1)
    expect(told.at(-1)).to.include({ event: 'opened', kind: 'silence', rule: 'quiet', value: null })
    await publish(still, [[5, 20]])
    await until('it is heard again', async () => events(still).length === 2)
    expect((await rows(still))[0]).to.include({ closed_because: 'heard' })
  })

  it('refuses a rule that makes no sense, in words', async () => {
    for (const [words, expected] of [
      [['x', '--kind', 'threshold', '--quantity', 'temperature', '--above', '30', '--clear', '31'], /--clear: expected at most 30/],
      [['x', '--kind', 'threshold', '--quantity', 'warmth', '--above', '30'], /--quantity: expected one of .*"warmth"/],
      [['x', '--kind', 'silence', '--for', '5s'], /--for: expected how long no reading comes, at least 1m/],
      [['x', '--kind', 'night-drop', '--drop', '2', '--zone', 'Mars/Olympus'], /--zone: expected a name such as Europe\/Berlin/],
      [['x', '--kind', 'silence', '--for', '5m', '--device', 'nobody-here'], /there is no device "nobody-here"/],
      [['quiet', '--kind', 'silence', '--for', '5m'], /has a rule "quiet" already/],
    ] as const)
      expect(await addRule(...words).catch(String), words.join(' ')).to.match(expected)
    const [first] = (await app.query('SELECT id FROM accounts WHERE name = $1', [account])).rows as { id: bigint }[]
    const insert = app.query(
      "INSERT INTO alert_rules (account_id, name, kind, quantity, direction, level, clear_level) VALUES ($1, 'n', 'threshold', 'weight', 'above', 'NaN', 0)",
      [first?.id],
    )
    expect(String(await insert.catch(String))).to.match(/alert_rules_level_check/)
  })
})
