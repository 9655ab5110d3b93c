import { expect } from 'chai'
import { shownAddress, withoutCredentials, withoutUserInfo } from './address.ts'

describe('an address that is shown', () => {
  it('has neither user nor password, however badly it is written', () => {
    for (const [address, shown] of [
      ['mqtt://127.0.0.1:1883', 'mqtt://127.0.0.1:1883'],
      ['mqtt://u:secret@127.0.0.1:1883', 'mqtt://…@127.0.0.1:1883'],
      ['postgres://millrace:s3cr#t@127.0.0.1:5433/telemetry', 'postgres://…@127.0.0.1:5433/telemetry'],
      ['postgres://u:a/b?c#d e"f@g@host/db', 'postgres://…@host/db'],
      ['mqtt://u:p%zz@host', 'mqtt://…@host'],
      ['u:secret@host:9092,u:secret@other:9092', '…@other:9092'],
      ['postgres://host/db?user=u&password=secret&sslmode=require', 'postgres://host/db?user=u&password=…&sslmode=require'],
      ['http://host/?api_key=secret', 'http://host/?api_key=…'],
      ['mqtt://u:sec\nret@host', 'mqtt://…@host'],
    ] as const)
      expect(shownAddress(address)).to.equal(shown)
  })

  it('is so within a text too', () => {
    expect(withoutUserInfo('listing at http://user:topsecret@127.0.0.1:1/apis: connect ECONNREFUSED; see a@b.example')).to.equal(
      'listing at http://…@127.0.0.1:1/apis: connect ECONNREFUSED; see a@b.example',
    )
    expect(withoutUserInfo('{"url":"mqtt://u:s#c/r?t@h:1","n":1}')).to.equal('{"url":"mqtt://…@h:1","n":1}')
  })

  it('loses its credentials for those who have their own', () => {
    expect(withoutCredentials('mqtt://u:p%40@host:1883')).to.equal('mqtt://host:1883')
    expect(withoutCredentials('mqtt://u@[::1]:1883')).to.equal('mqtt://[::1]:1883')
    expect(withoutCredentials('mqtt://host')).to.equal('mqtt://host')
  })
})
