import { expect } from 'chai'
import { startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { type HostileClient, openHostileClient } from './hostile-client.ts'
import { messagesOf, provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const device = `helped-${Date.now().toString(36)}`

/** The suite's own tools: a test that sees nothing because its eyes are shut is no test. */
describe("the adversary's helpers", () => {
  const { use } = closing()
  let outcomes: Outcomes
  let hostile: HostileClient

  before(async () => {
    await provision(device)
    outcomes = await use(openOutcomes())
    for (const service of [['bridge'], ['run', 'translate'], ['store']]) await use(startService(...service))
    hostile = await use(openHostileClient({ clientId: `${device}-hostile` }))
  })

  it('send what a case holds, and see the rows and the dead letters that come of it', async () => {
    await sendMessages(
      messagesOf(`{"topic":"devices/${device}/telemetry","payload":"{\\"ts\\":\\"2026-11-29T03:00:00.000001Z\\",\\"temperature\\":21.5}"}
{"topic":"devices/${device}/telemetry","hex":"00ff"}
`),
    )
    expect(await hostile.publish(`devices/${device}/telemetry`, '{"temperature": 1e9}')).to.equal(0)
    await until('all is there', async () => (await outcomes.rows(device)) === 1 && (await outcomes.reasons(device)).length === 2)
    expect(await outcomes.reasons(device)).to.deep.equal(['translate bad-payload', 'translate out-of-range'])
    expect((await outcomes.readings(device)).map(({ values, estimated }) => ({ values, estimated }))).to.deep.equal([
      { values: { temperature: 21.5 }, estimated: false },
    ])
  })

  it('flood, listen, claim to be somebody, and are told what the broker thinks of it', async () => {
    expect(hostile.connack).to.equal(0)
    expect(await hostile.subscribe(`devices/${device}/commands`)).to.equal(1)
    const flood = Array.from({ length: 500 }, (_, number) => [`devices/${device}/commands`, String(number)] as const)
    expect([...(await hostile.flood(flood))]).to.deep.equal([[0, 500]])
    await until('it got them all', async () => hostile.received.length === 500)
    const other = await use(openHostileClient({ clientId: `${device}-other`, username: 'somebody' }))
    expect(await other.publish(`devices/${device}/telemetry`, '{}')).to.equal(0x87)
    other.raw(Buffer.alloc(6, 0xff))
    await other.closed
  })
})
