import { expect } from 'chai'
import { crash, revive } from '../pipeline/local-parts.ts'
import { startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'

describe('a broker that is killed and comes up again at once', () => {
  const { use, atEnd } = closing()

  it('is not taken for another client that took the session: health says nothing of it, whatever the counters have', async () => {
    await provision(`r${Date.now().toString(36)}-a`)
    const bridge = await use(startService('bridge'))
    atEnd(() => revive('mosquitto'))
    for (let kills = 0; kills < 3; kills++) {
      const connections = (await bridge.metric('millrace_broker_connections_total')) ?? 0
      await crash('mosquitto')
      await revive('mosquitto')
      const parts = new Set<string>()
      // A session that the broker had not written yet is lost, and health says that for longer.
      await until('the bridge is connected again', async () => {
        const health = (await bridge.health()) ?? {}
        for (const part of Object.keys(health)) parts.add(part)
        return ((await bridge.metric('millrace_broker_connections_total')) ?? 0) > connections && health.mqtt === undefined
      })
      expect([...parts]).to.not.include('mqtt session taken over')
    }
    expect(await bridge.metric('millrace_session_takeovers_total')).to.equal(0)
  })
})
