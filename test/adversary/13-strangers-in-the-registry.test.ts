import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { firmwareSubject } from '../../processors/topics.ts'
import { testFirmware } from '../pipeline/frames.ts'
import { hiveFrame } from '../pipeline/hive-frames.ts'
import { crash, revive } from '../pipeline/local-parts.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { type HostileClient, openHostileClient } from './hostile-client.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'
import { sharedRegistry } from './schema-registry.ts'

const run = `str${Date.now().toString(36)}`
const good = `${run}-good`
const stranger = `${run}-stranger`
const late = `${run}-late`
const start = Date.now() - 3_600_000
const FIRMWARES = 100

/** A frame with a fingerprint that no registry has. */
const unknown = (): Buffer => Buffer.concat([Buffer.from([0xc3, 1]), randomBytes(8), Buffer.from([2, 0, 0])])

describe('strangers in a registry that is shared', function () {
  this.timeout(240_000)
  const { use, atEnd } = closing()
  const registry = sharedRegistry()
  let outcomes: Outcomes
  let client: HostileClient
  let bridge: RunningService
  let standardise: RunningService
  let seq = 0

  const publish = (device: string, payload: Buffer): Promise<number> => client.publish(`devices/${device}/telemetry`, payload)
  const publishGood = async (): Promise<void> => {
    await publish(good, hiveFrame({ boot: 1, seq, base: start + seq * 1_000, temperature: [2000] }))
    seq++
  }
  /**
   * A good device publishes ten times a second; every frame must be stored at once, whatever the
   * stranger does meanwhile.
   */
  async function goodOnesGoOn(seconds: number, meanwhile: () => Promise<void>): Promise<void> {
    const end = Date.now() + seconds * 1_000
    const strange = (async () => {
      while (Date.now() < end) {
        await meanwhile()
        await delay(300)
      }
    })()
    while (Date.now() < end) {
      await publishGood()
      await delay(100)
    }
    await until(`all ${seq} frames of the good device are stored`, async () => (await outcomes.rows(good)) === seq)
    await strange
  }

  const firmwaresKnown = (): number =>
    Number([...bridge.log().matchAll(/"firmwares known","fields":\{"fingerprints":(\d+)\}/g)].at(-1)?.[1])

  before(async () => {
    await provision(good, stranger, late)
    await registry.registerProtobuf('orders-value')
    await registry.registerProtobuf(firmwareSubject(`${run}.orders`))
    await registry.register(firmwareSubject(`${run}.V1`), '"string"')
    outcomes = await use(openOutcomes())
    client = await use(openHostileClient({ clientId: run }))
    bridge = await use(startService('bridge'))
    standardise = await use(startService('run', 'standardise'))
    await use(startService('store'))
  })

  it('do not keep the services from starting: what cannot be read is ignored, said once, and counted', async () => {
    await goodOnesGoOn(1, async () => undefined)
    const continuity = await use(startService('run', 'continuity'))
    for (const service of [bridge, standardise, continuity]) {
      const lines = service.log().split('\n')
      expect(lines.filter((line) => line.includes(`${run}.orders`) && line.includes('PROTOBUF'))).to.have.length(1)
      expect(await service.health()).to.deep.equal({})
    }
    await until('they are counted', async () => (await bridge.metric('millrace_ignored_schemas')) >= 2)
  })

  it('do not keep a dead letter from being shown', async () => {
    await publish(stranger, hiveFrame({ boot: 1, seq: 0, base: start, temperature: [30_000] }))
    await until('the dead letter', async () => (await outcomes.deadLetters(stranger)).length === 1)
    const exported = await millrace('dead', 'export', 'standardise', '--device', stranger)
    const { topic, partition, offset } = JSON.parse(exported.split('\n')[0] ?? '') as { topic: string; partition: number; offset: string }
    const shown = await millrace('dead', 'show', `${topic}/${partition}/${offset}`)
    expect(shown).to.include('millrace.firmware.hive.V1').and.include('"temperature": "30000"')
  })

  it('hold nobody up with an unknown fingerprint every 300 ms, among a hundred firmwares', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, lane) => {
        for (let index = lane; index < FIRMWARES; index += 8) {
          const firmware = testFirmware(`${run}f${index}`)
          await registry.register(firmware.subject, firmware.schema('0.01'))
        }
      }),
    )
    let strange = 0
    await goodOnesGoOn(6, async () => {
      await publish(stranger, unknown())
      strange++
    })
    await until('the strange ones are dead letters', async () => (await outcomes.deadLetters(stranger)).length === 1 + strange)
    await bridge.metricIs(0, 'millrace_outstanding_messages')
  })

  it('and an outage of the registry together hold nobody up either', async () => {
    atEnd(() => revive('registry'))
    const before = (await outcomes.deadLetters(stranger)).length
    await crash('registry')
    let strange = 0
    await goodOnesGoOn(6, async () => {
      await publish(stranger, unknown())
      strange++
    })
    await until('the strange ones are dead letters', async () => (await outcomes.deadLetters(stranger)).length === before + strange)
    await revive('registry')
    const known = firmwaresKnown()
    const firmware = testFirmware(`${run}new`)
    // It is a JVM that has just started: its first answer may take long.
    const register = (): Promise<unknown> => registry.register(firmware.subject, firmware.schema('0.01'))
    await until('it is registered', () => register().then(Boolean, () => false), 60_000)
    // Nobody may wait for it: the stranger has made the others wait for as long as that is allowed,
    // the device itself and all together.
    await until('the bridge has read it', async () => firmwaresKnown() > known, 60_000)
    await publish(late, firmware.frame(0, start, [2000]))
    // Standardise reads the registry anew, with the subjects of all tests before this one.
    await until('the row', async () => (await outcomes.rows(late)) === 1, 60_000)
  })
})
