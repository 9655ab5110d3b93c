import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { onPlainStack } from '../pipeline/plain-only.ts'
import { until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { type HostileClient, openHostileClient } from './hostile-client.ts'

const run = `other${Date.now().toString(36)}`
const [OWN, VICTIM] = [`${run}-own`, `${run}-victim`]
/** Not authorized. */
const REFUSED = 0x87
const telemetry = (device: string): string => `devices/${device}/telemetry`
const status = (device: string): string => `devices/${device}/status`

/**
 * The rules of the local stack's broker (deploy/local/mosquitto/acl), which hold for every client
 * with a name. A granted subscription and an accepted will say nothing: what is delivered counts.
 */
onPlainStack('a name alone is nobody there; secure.test.ts tries the same').describe('a device that would be another', function () {
  this.timeout(60_000)
  const { use } = closing()
  let device: HostileClient
  let listener: HostileClient

  before(async () => {
    device = await use(openHostileClient({ clientId: OWN, username: OWN }))
    listener = await use(openHostileClient({ clientId: `${run}-listener` }))
    await listener.subscribe(`devices/${VICTIM}/#`)
    await listener.subscribe(`devices/${OWN}/#`)
  })

  const heard = (): readonly string[] => listener.received.map(({ topic, payload }) => `${topic} ${payload}`)
  /** Whatever was sent before it has been delivered by then, or never will be. */
  async function settled(): Promise<void> {
    const last = `${telemetry(OWN)} ${listener.received.length}`
    expect(await device.publish(telemetry(OWN), String(listener.received.length))).to.equal(0)
    await until('what was sent is delivered', async () => heard().includes(last))
  }

  it('publishes as it: telemetry, a status that stays, commands of either, and the broker’s own topics', async () => {
    for (const topic of [telemetry(VICTIM), status(VICTIM), `devices/${VICTIM}/commands`, `devices/${OWN}/commands`, '$SYS/broker/uptime'])
      for (const retain of [false, true]) expect(await device.publish(topic, 'forged', retain), topic).to.equal(REFUSED)
    // With QoS 0 nobody is told.
    for (const topic of [telemetry(VICTIM), status(VICTIM)]) device.throwOver(topic, 'forged')
    await settled()
    expect(heard().filter((each) => each.includes('forged'))).to.deep.equal([])
  })

  it('leaves a last will on its status', async () => {
    for (const topic of [status(VICTIM), status(OWN)]) {
      const dying = await openHostileClient({ clientId: OWN, username: OWN, will: { topic, payload: Buffer.from(`will on ${topic}`) } })
      // Its own connection before is taken over: there is one with this client ID.
      expect(dying.connack).to.equal(0)
      await dying[Symbol.asyncDispose]()
    }
    device = await use(openHostileClient({ clientId: OWN, username: OWN }))
    await until('the will on its own status is sent', async () => heard().some((each) => each.endsWith(`will on ${status(OWN)}`)))
    await settled()
    expect(heard().filter((each) => each.includes(`will on ${status(VICTIM)}`))).to.deep.equal([])
  })

  it('listens to it, to all, as part of a group, and to what the broker tells of itself', async () => {
    const spy = await use(openHostileClient({ clientId: `${run}-spy`, username: OWN }))
    const victim = await use(openHostileClient({ clientId: VICTIM, username: VICTIM }))
    for (const filter of ['#', 'devices/#', telemetry(VICTIM), '$share/x/devices/#', '$share/millrace/devices/+/telemetry', '$SYS/#'])
      await spy.subscribe(filter)
    expect(await victim.publish(telemetry(VICTIM), 'private')).to.equal(0)
    await until('the listener has it', async () => heard().some((each) => each.endsWith('private')))
    await delay(500)
    expect(spy.received).to.deep.equal([])
  })

  it('has a name that would be a pattern or a path', async () => {
    for (const username of ['+', '#', `${VICTIM}/x`, `${VICTIM}/../${VICTIM}`]) {
      const client = await openHostileClient({ clientId: `${run}-name`, username }).catch(() => undefined)
      const code = client?.connack === 0 ? await client.publish(telemetry(VICTIM), 'forged').catch(() => REFUSED) : REFUSED
      expect(code, username).to.equal(REFUSED)
      // What it is let do by its own name, it does under that name.
      if (client?.connack === 0) await client.publish(`devices/${username}/telemetry`, 'forged').catch(() => undefined)
      await client?.[Symbol.asyncDispose]()
    }
    await settled()
    expect(heard().filter((each) => each.startsWith(`${telemetry(VICTIM)} `) || each.startsWith(`${status(VICTIM)} `))).to.deep.equal([
      `${telemetry(VICTIM)} private`,
    ])
  })
})
