import { expect } from 'chai'
import { createKafka, openAdmin } from '../../connectors/kafka/client.ts'
import { topicNames } from '../../connectors/kafka/topics.ts'
import { launchWith, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { digBlackHole } from './black-hole.ts'
import { provision } from './messages.ts'

const run = `h${Date.now().toString(36)}`

/** With what port each of them is reached, in the address that the environment has. */
const parts = {
  MQTT_URL: 'mqtt://127.0.0.1:PORT',
  KAFKA_BROKERS: '127.0.0.1:PORT',
  REGISTRY_URL: 'http://127.0.0.1:PORT/apis/ccompat/v7',
  TELEMETRY_DATABASE_URL: 'postgres://millrace@127.0.0.1:PORT/telemetry',
  APP_DATABASE_URL: 'postgres://millrace@127.0.0.1:PORT/app',
} as const

const cases: readonly (readonly [variable: keyof typeof parts, service: readonly string[]])[] = [
  ['MQTT_URL', ['bridge']],
  ['KAFKA_BROKERS', ['bridge']],
  ['REGISTRY_URL', ['bridge']],
  ['KAFKA_BROKERS', ['store']],
  ['TELEMETRY_DATABASE_URL', ['store']],
  ['APP_DATABASE_URL', ['run', 'standardise']],
  ['REGISTRY_URL', ['run', 'devices']],
]

describe('a network that swallows what is sent to it', () => {
  /** All at once: each waits for its own part, and half of their time is waiting. */
  let runs: readonly Promise<void>[] = []

  before(async () => {
    await provision()
    runs = cases.map(([variable, args], index) => throughBlackHole(variable, args, index))
    // Each is awaited by its own test.
    for (const run of runs) run.catch(() => undefined)
  })

  after(() => Promise.allSettled(runs))

  for (const [index, [variable, args]] of cases.entries())
    it(`is named by the health of ${args.join(' ')} if it is that of ${variable}, and waited out`, () => runs[index])
})

describe('a Kafka that takes connections and answers nothing', () => {
  // Before, kafkajs waited for half a minute at each of its tries, and did not say for whom.
  it('is given up by each of them, its address is named, and once it answers all is well', async () => {
    await using hole = await digBlackHole(Number(address('KAFKA_BROKERS').split(':')[1]))
    const log: string[] = []
    const note = (...what: readonly unknown[]): void => void log.push(JSON.stringify(what))
    const kafka = createKafka({ brokers: [`127.0.0.1:${hole.port}`], clientId: 'test' }, { info: note, warn: note, error: note })
    await using admin = openAdmin(kafka)
    const names = topicNames(admin)
    await until('its address is named', async () => log.some((line) => line.includes(`no answer from 127.0.0.1:${hole.port}`)), 60_000)
    hole.open()
    expect(await names).to.be.an('array')
  })
})

async function throughBlackHole(variable: keyof typeof parts, args: readonly string[], index: number): Promise<void> {
  const [, port] = /:(\d+)(?:[/,]|$)/.exec(address(variable).replace(/^\w+:\/\//, '')) ?? []
  await using hole = await digBlackHole(Number(port))
  await using service = await launchWith(
    {
      settings: `bridge: { client_id: ${run}-${index}, session_expiry_seconds: 0 }\n`,
      env: { [variable]: parts[variable].replace('PORT', String(hole.port)) },
    },
    ...args,
  )
  await until(
    `health names port ${hole.port}`,
    async () => Object.values((await service.health()) ?? {}).some((problem) => problem.includes(String(hole.port))),
    30_000,
  )
  hole.open()
  await service.ready(60_000)
  await until('nothing is wrong any more', async () => Object.keys((await service.health()) ?? { none: '' }).length === 0, 60_000)
}
