import { expect } from 'chai'
import { brokerFigure } from './broker-figures.ts'

describe('figures of the broker', () => {
  const of = (topic: string, payload: string) => brokerFigure(topic, Buffer.from(payload))

  it('are those of its topics that have a metric', () => {
    expect(of('$SYS/broker/publish/messages/dropped', '17')).to.deep.equal({
      name: 'millrace_broker_publishes_total',
      values: ['dropped'],
      value: 17,
    })
    expect(of('$SYS/broker/uptime', '33 seconds')).to.deep.equal({ name: 'millrace_broker_uptime_seconds', values: [], value: 33 })
    expect(of('$SYS/broker/load/sockets/1min', '0.63')).to.equal(undefined)
    expect(of('$SYS/broker/constructor', '1')).to.equal(undefined)
  })

  it('are none if a payload is no count: anybody may have published it to another broker', () => {
    for (const payload of ['', '-1', '1e9', 'NaN', '9'.repeat(16), '<b>1</b>'])
      expect(of('$SYS/broker/clients/connected', payload), payload).to.equal(undefined)
  })
})
