import { expect } from 'chai'
import { DEFAULT_LIMITS, sessionOptions } from './session-options.ts'

describe('the options of a session', () => {
  it('ask for a session that outlives the connection, and leave subscribing and connecting again to the subscriber', () => {
    const options = sessionOptions('bridge', { username: undefined, password: undefined }, { ...DEFAULT_LIMITS, receiveMaximum: 7 })
    expect(options).to.include({ clientId: 'bridge', clean: false, reconnectPeriod: 0, resubscribe: false, manualConnect: true })
    expect(options.properties).to.deep.equal({
      receiveMaximum: 7,
      sessionExpiryInterval: 7 * 24 * 3600,
      maximumPacketSize: 4 * 1024 * 1024,
    })
  })

  it('name nobody unless somebody is named', () => {
    expect(sessionOptions('a', { username: undefined, password: undefined }, DEFAULT_LIMITS)).not.to.have.any.keys('username', 'password')
    expect(sessionOptions('a', { username: 'u', password: 'p' }, DEFAULT_LIMITS)).to.include({ username: 'u', password: 'p' })
  })
})
