import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { MqttClient } from 'mqtt'
import { checkDialects } from '../../ops/dialect/check.ts'
import { dialectFiles } from '../../ops/dialect/files.ts'
import { type Heard, hear, learn, writeDraft } from '../../ops/dialect/learn.ts'
import { ConfigError, loadConfig } from '../../services/config.ts'
import { openMqttProxy } from './mqtt-proxy.ts'
import { testBroker, testPublisher } from './stack-clients.ts'

const { env } = loadConfig(process.env, undefined)
const { user } = testBroker()

describe('millrace dialect learn, on a real broker', function () {
  this.timeout(30_000)

  let publisher: MqttClient
  let root: string

  beforeEach(async () => {
    publisher = await testPublisher()
    root = `devices/learn-${randomUUID().slice(0, 8)}`
  })
  afterEach(async () => {
    await publisher.publishAsync(`${root}/kept/SENSOR`, '', { retain: true, qos: 1 })
    await publisher.endAsync()
  })

  const listenTo = (filter: string, over: Partial<Parameters<typeof hear>[0]> = {}): Promise<Heard> =>
    hear({ env, filter, seconds: 3, username: user?.username, password: user?.password, signal: new AbortController().signal, ...over })

  it('writes a dialect and examples that pass the check, of what is published while it listens and of what is retained', async () => {
    await publisher.publishAsync(`${root}/kept/SENSOR`, JSON.stringify({ temperature: 4.5 }), { retain: true, qos: 1 })
    const hearing = listenTo(`${root}/#`)
    for (let round = 0; round < 20; round++) {
      for (const [index, plug] of ['plug-1', 'plug-2'].entries())
        await publisher.publishAsync(`${root}/${plug}/SENSOR`, JSON.stringify({ temperature: 20 + index, humidity: 50 + round }))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const { observed, ended } = await hearing
    expect(ended).to.equal(undefined)
    expect(observed.heard).to.be.at.least(20)
    expect(observed.messages.filter(({ retained }) => retained)).to.have.length(1)
    const { draft, samples, rejections } = learn(observed, `${root}/#`, 'plugs')
    expect(draft.text).to.include(`"${root}/{device}/SENSOR"`)
    expect(samples).to.be.greaterThan(10)
    // A retained message without a time was measured nobody knows when.
    expect(rejections.every((each) => each.startsWith(`${root}/kept/SENSOR: retained: `))).to.equal(true)
    const folder = mkdtempSync(join(tmpdir(), 'millrace-learn-'))
    try {
      const files = writeDraft(draft, join(folder, 'plugs.yaml'))
      expect(readdirSync(join(folder, 'examples'))).to.have.length(files.length - 1)
      expect(checkDialects(dialectFiles([folder]))).to.include({ failed: 0, passed: files.length })
      expect(() => writeDraft(draft, join(folder, 'plugs.yaml'))).to.throw(ConfigError, 'already')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('says that the connection has ended, and keeps what it heard until then', async () => {
    const proxy = await openMqttProxy(env.MQTT_URL)
    try {
      const hearing = listenTo(`${root}/#`, { env: { ...env, MQTT_URL: proxy.url }, seconds: 20 })
      for (let round = 0; round < 10; round++) {
        await publisher.publishAsync(`${root}/a/SENSOR`, '{"temperature":20}')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      proxy.reset()
      const { observed, ended } = await hearing
      expect(ended).to.be.a('string')
      expect(observed.heard).to.be.at.least(1)
    } finally {
      await proxy[Symbol.asyncDispose]()
    }
  })

  it('ends at once if it is told to, and refuses to be the bridge', async () => {
    const abort = new AbortController()
    const hearing = listenTo(`${root}/#`, { seconds: 600, signal: abort.signal })
    setTimeout(() => abort.abort(), 300)
    expect((await hearing).ended).to.equal(undefined)
    let refused: unknown
    await listenTo(`${root}/#`, { username: 'millrace-bridge' }).catch((cause: unknown) => {
      refused = cause
    })
    expect(refused).to.be.instanceOf(ConfigError)
  })
})
