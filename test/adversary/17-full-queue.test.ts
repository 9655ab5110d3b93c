import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { openHostileClient } from './hostile-client.ts'
import { provision } from './messages.ts'

const run = `q${Date.now().toString(36)}`
/** Not one of the bridge's topics, for Kafka need not keep what is only to fill the broker. */
const topic = `devices/${run}/bulk`
const MESSAGES = 220
const PAYLOAD = Buffer.alloc(2_000_000, 'x')
/** max_queued_bytes of deploy/local/mosquitto/mosquitto.conf, and one message more. */
const MOST_BYTES = 302_000_000

describe('440 MB that are published while a client with a session is away', () => {
  const { use, atEnd } = closing()

  it('take no more of the broker than its limit, and what is dropped is said: by health, the log, and a counter', async () => {
    await provision()
    // It remembers what the broker has dropped so far.
    const first = await use(startService('bridge'))
    await until('the bridge is healthy', async () => Object.keys((await first.health()) ?? { x: '' }).length === 0, 60_000)
    await first[Symbol.asyncDispose]()
    const session = { clientId: `${run}-away`, username: 'millrace-bridge', sessionExpirySeconds: 600 }
    const away = await openHostileClient({ ...session, clean: true })
    expect(await away.subscribe(topic)).to.equal(1)
    await away[Symbol.asyncDispose]()
    atEnd(async () => (await openHostileClient({ ...session, clean: true, sessionExpirySeconds: 0 }))[Symbol.asyncDispose]())

    const before = brokerBytes()
    const flooder = await use(openHostileClient({ clientId: `${run}-flooder` }))
    // One after the other: what the client itself holds is not the broker's.
    for (let index = 0; index < MESSAGES; index++) expect(await flooder.publish(topic, PAYLOAD)).to.equal(0)
    expect(brokerBytes() - before).to.be.below(MOST_BYTES * 1.2)

    const bridge = await use(startService('bridge'))
    await until(
      'health says it',
      async () => /^the broker has dropped \d+ messages/.test((await bridge.health())?.['queue of the broker'] ?? ''),
      30_000,
    )
    // The broker tells its count each 10 seconds.
    const least = MESSAGES - Math.floor(MOST_BYTES / PAYLOAD.length)
    await until('all are counted', async () => (await bridge.metric('millrace_broker_dropped_messages_total')) >= least)
    expect(await bridge.metric('millrace_broker_dropped_messages_total')).to.be.at.most(MESSAGES)
    expect(bridge.log()).to.match(/"level":"error","service":"bridge",.*"message":"the broker has dropped \d+ messages/)
  })
})

/** Resident memory of the local stack's Mosquitto. */
function brokerBytes(): number {
  const [pid] = readFileSync(`${process.env.MILLRACE_LOCAL}/pid/mosquitto`, 'utf8').split(' ')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}
