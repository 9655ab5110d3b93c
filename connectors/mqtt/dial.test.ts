import { expect } from 'chai'
import { parseBroker } from './dial.ts'

describe('broker URL', () => {
  it('knows the default ports of mqtt and mqtts', () => {
    expect(parseBroker('mqtt://broker').address).to.equal('mqtt://broker:1883')
    expect(parseBroker('mqtts://broker').address).to.equal('mqtts://broker:8883')
    expect(parseBroker('mqtt://[::1]:1884').address).to.equal('mqtt://[::1]:1884')
  })

  it('takes credentials out of the URL, unescaped, and keeps them out of the address', () => {
    const broker = parseBroker('mqtt://bridge:p%40ss@broker:1')
    expect([broker.username, broker.password, broker.address]).to.deep.equal(['bridge', 'p@ss', 'mqtt://broker:1'])
  })

  it('refuses what is no MQTT URL, without showing a password', () => {
    expect(() => parseBroker('http://u:secret@broker')).to.throw(TypeError, /mqtt:\/\/host:port.*\/\/…@broker/)
    expect(() => parseBroker('broker:1883')).to.throw(TypeError)
    expect(() => parseBroker('')).to.throw(TypeError)
  })
})
