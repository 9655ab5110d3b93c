import { expect } from 'chai'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { topicNames } from '../../connectors/kafka/topics.ts'
import { launchWith, until } from '../pipeline/service.ts'
import { address, testKafka } from '../pipeline/stack-clients.ts'
import { digBlackHole } from './black-hole.ts'
import { provision } from './messages.ts'

const run = `h${Date.now().toString(36)}`

type Variable = 'MQTT_URL' | 'KAFKA_BROKERS' | 'REGISTRY_URL' | 'TELEMETRY_DATABASE_URL' | 'APP_DATABASE_URL'
/** The first port of an address, and what comes before it. */
const PORT = /^((?:\w+:\/\/)?(?:[^@/]*@)?[^:/]*:)(\d+)/

const cases: readonly (readonly [variable: Variable, service: readonly string[]])[] = [
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
    const kafka = testKafka('test', { info: note, warn: note, error: note }, { KAFKA_BROKERS: `127.0.0.1:${hole.port}` })
    await using admin = openAdmin(kafka)
    const names = topicNames(admin)
    await until('its address is named', async () => log.some((line) => line.includes(`no answer from 127.0.0.1:${hole.port}`)), 60_000)
    hole.open()
    expect(await names).to.be.an('array')
  })
})

async function throughBlackHole(variable: Variable, args: readonly string[], index: number): Promise<void> {
  await using hole = await digBlackHole(Number(PORT.exec(address(variable))?.[2]))
  await using service = await launchWith(
    {
      settings: `bridge: { client_id: ${run}-${index}, session_expiry_seconds: 0 }\n`,
      env: { [variable]: address(variable).replace(PORT, `$1${hole.port}`) },
    },
    ...args,
  )
  await until(
    `health names port ${hole.port}`,
    async () => Object.values((await service.health()) ?? {}).some((problem) => problem.includes(String(hole.port))),
    60_000,
  )
  hole.open()
  await service.ready(60_000)
  await until('nothing is wrong any more', async () => Object.keys((await service.health()) ?? { none: '' }).length === 0, 60_000)
}
