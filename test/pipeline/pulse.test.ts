import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { topicExtents } from '../../connectors/kafka/scan.ts'
import { topics } from '../../processors/topics.ts'
import { type MqttProxy, openMqttProxy } from './mqtt-proxy.ts'
import { launchWith, millrace, type RunningService, until } from './service.ts'
import { address, testKafka } from './stack-clients.ts'

describe('the pulse of a bridge', () => {
  const run = `pulse${Date.now().toString(36)}`
  let proxy: MqttProxy
  let bridge: RunningService
  let kafka: KafkaClient

  before(async () => {
    await millrace('migrate')
    kafka = testKafka(run)
    proxy = await openMqttProxy(address('MQTT_URL'))
    bridge = await launchWith({ settings: `bridge: { client_id: ${run} }\n`, env: { MQTT_URL: proxy.url } }, 'bridge')
  })

  after(async () => {
    await bridge?.[Symbol.asyncDispose]()
    await proxy?.[Symbol.asyncDispose]()
  })

  const written = async (): Promise<bigint> => (await topicExtents(kafka, topics.pulse)).reduce((sum, { end }) => sum + end, 0n)

  it('is in its topic while the session with the broker is there, and not while the bridge runs without one', async () => {
    const before = await written()
    await until('the bridge gives a pulse', async () => (await written()) > before)
    await proxy[Symbol.asyncDispose]()
    await until('the session is lost', async () => (await bridge.health())?.mqtt !== undefined)
    const then = await written()
    // A pulse is due every 10 s.
    await delay(11_000)
    expect(await written()).to.equal(then)
  })
})
