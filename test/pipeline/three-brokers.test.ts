import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import mqtt from 'mqtt'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { topics } from '../../processors/topics.ts'
import { loadConfig } from '../../services/config.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { runMillrace } from '../adversary/command.ts'
import { readHops } from '../chaos/hops.ts'
import { groupCoordinator, partitionLeaders } from './broker-roles.ts'
import { testFirmware } from './frames.ts'
import { type OwnStack, startOwnStack } from './own-stack.ts'
import { launchWith, type RunningService, until } from './service.ts'
import { quiet } from './stack-clients.ts'

/** Beside the ports of the stack that the other tests of this lane run on. */
const PORTS_BESIDE = 100
const run = `three${Date.now().toString(36)}`
const devices = Array.from({ length: 20 }, (_, index) => `${run}-${index}`)
const firmware = testFirmware(run)
/** Of each device, in milliseconds: 200 frames a second in all. */
const EVERY_MS = 100
/** A line goes on within this time on a machine that does other things too. */
const GOES_ON_MS = 120_000
const brokers = ['kafka', 'kafka2', 'kafka3'] as const
type Broker = (typeof brokers)[number]
const SERVICES = { bridge: ['bridge'], standardise: ['run', 'standardise'], store: ['store'], watch: ['watch'] } as const
type Name = keyof typeof SERVICES

describe('a line on three brokers', function () {
  this.timeout(300_000)
  let stack: OwnStack
  let kafka: KafkaClient
  let database: Database
  let load: { stop(): Promise<number> } | undefined
  const services = new Map<Name, RunningService>()

  const millrace = async (...args: readonly string[]): Promise<string> => {
    const { code, output, error } = await runMillrace(args, stack.env)
    if (code !== 0) throw new Error(`millrace ${args.join(' ')} exited with ${code}: ${error}`)
    return output
  }
  const service = (name: Name): RunningService => services.get(name) as RunningService
  /** Rows of each device. */
  const rows = async (): Promise<ReadonlyMap<string, number>> => {
    const text = `SELECT device_id AS device, count(*)::int AS rows FROM readings WHERE device_id LIKE '${run}-%' GROUP BY 1`
    const found = await database.use((session) => session.query<{ device: string; rows: number }>('counting rows', text, []))
    return new Map(found.map(({ device, rows }) => [device, rows]))
  }
  /** Each device gets rows. */
  const goesOn = async (what: string): Promise<void> => {
    const before = await rows()
    let now = before
    await until(
      () => `${what}: rows of ${devices.filter((device) => (now.get(device) ?? 0) < (before.get(device) ?? 0) + 10).join(', ')} come`,
      async () => {
        now = await rows()
        return devices.every((device) => (now.get(device) ?? 0) >= (before.get(device) ?? 0) + 10)
      },
      GOES_ON_MS,
    )
  }
  const healthy = async (): Promise<void> => {
    for (const [name, each] of services) {
      let problems: unknown
      await until(
        () => `${name} is healthy: ${JSON.stringify(problems)}`,
        async () => {
          problems = await each.health()
          return problems !== undefined && Object.keys(problems as object).length === 0
        },
        GOES_ON_MS,
      )
    }
  }
  const signal = (broker: Broker, name: NodeJS.Signals): void => {
    process.kill(Number(readFileSync(join(stack.local, 'pid', broker), 'utf8').split(' ')[0]), name)
  }
  /** The one that leads most partitions of readings. */
  const busiest = async (): Promise<Broker> => {
    const leaders = await partitionLeaders(kafka, topics.readings)
    const led = (broker: Broker): number => leaders.filter((leader) => leader === brokers.indexOf(broker) + 1).length
    return brokers.toSorted((a, b) => led(b) - led(a))[0] as Broker
  }

  before(async () => {
    stack = await startOwnStack('three-brokers', PORTS_BESIDE, { MILLRACE_KAFKA_NODES: '3' })
    kafka = kafkaClient(loadConfig(stack.env, undefined), 'test', quiet)
    await millrace('migrate')
    await millrace('schemas', 'register')
    await createRegistry(stack.env.REGISTRY_URL ?? '').register(firmware.subject, firmware.schema('0.01'))
    await millrace('devices', 'add', '--account', 'test', ...devices)
    database = createDatabase({ url: stack.env.TELEMETRY_DATABASE_URL ?? '', applicationName: 'test' })
    for (const name of Object.keys(SERVICES) as Name[])
      services.set(
        name,
        await launchWith(
          { env: stack.env, settings: name === 'bridge' ? 'bridge: { client_id: millrace-bridge }\n' : '' },
          ...SERVICES[name],
        ),
      )
    await Promise.all([...services.values()].map((each) => each.ready(GOES_ON_MS)))
    load = await startLoad(stack.env.MQTT_URL ?? '')
    await goesOn('at first')
  })

  after(async () => {
    await load?.stop()
    await Promise.all([...services.values()].map((each) => each[Symbol.asyncDispose]()))
    await database?.[Symbol.asyncDispose]()
    await stack?.[Symbol.asyncDispose]()
  })

  it("goes on without the broker that keeps the store's place, and says how far it is", async () => {
    const broker = brokers[(await groupCoordinator(kafka, 'store')) - 1] as Broker
    await stack.script('stop', '--kill', broker)
    await goesOn(`${broker} killed`)
    expect(await millrace('lag')).to.contain('store')
    await healthy()
    await stack.script('start', broker)
  })

  it('goes on while the broker that leads most stands still, and after it has woken up', async () => {
    const broker = await busiest()
    signal(broker, 'SIGSTOP')
    try {
      await goesOn(`${broker} paused`)
    } finally {
      signal(broker, 'SIGCONT')
    }
    await goesOn(`${broker} woke up`)
    await healthy()
  })

  it('waits while two brokers are away, says so, and goes on', async () => {
    await stack.script('stop', '--kill', 'kafka2', 'kafka3')
    const saysSo = async (): Promise<boolean> =>
      Object.values((await service('bridge').health()) ?? {}).some((problem) => /^Kafka (does not|has not) acknowledge/.test(problem))
    await until('the bridge says that Kafka does not acknowledge', saysSo, GOES_ON_MS)
    await stack.script('start', 'kafka2', 'kafka3')
    await goesOn('two are back')
    await healthy()
  })

  it('has stored all that was sent, once and in order', async () => {
    const sent = (await load?.stop()) ?? 0
    await until(`${sent} rows`, async () => [...(await rows()).values()].reduce((sum, count) => sum + count, 0) >= sent, GOES_ON_MS)
    const text = 'SELECT sum(stored)::int AS stored, sum(dead)::int AS dead FROM consumer_offset WHERE consumer = $1'
    const [counted] = await database.use((session) => session.query<{ stored: number; dead: number }>('counting', text, ['store']))
    expect(counted).to.deep.equal({ stored: sent, dead: 0 })
    const { frames, readings } = await readHops(kafka, (device) => device.startsWith(run))
    for (const { counts } of [frames, readings]) {
      expect(counts.first).to.equal(sent)
      expect(counts.altered + counts.reordered).to.equal(0)
    }
    expect(await millrace('dead', 'export', 'standardise')).to.equal('')
  })
})

/** Each device sends frames of one sample, in order. */
async function startLoad(url: string): Promise<{ stop(): Promise<number> }> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, clientId: `${run}-devices` })
  const base = Date.now() - 3_600_000
  const acknowledged: Promise<unknown>[] = []
  let running = true
  let seq = 0
  const done = (async () => {
    for (; running; seq++) {
      for (const device of devices)
        acknowledged.push(client.publishAsync(`devices/${device}/telemetry`, firmware.frame(seq, base + seq * 1000, [2000]), { qos: 1 }))
      await delay(EVERY_MS)
    }
  })()
  return {
    async stop() {
      running = false
      await done
      await Promise.all(acknowledged)
      await client.endAsync()
      return seq * devices.length
    },
  }
}
