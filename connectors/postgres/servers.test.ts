import { expect } from 'chai'
import { clientSettings } from './client-settings.ts'
import { serversOf } from './servers.ts'

describe('the servers of an address', () => {
  it('is the address itself if it names one and asks for nothing', () => {
    for (const address of ['postgres://u:p,q@host:5433/db?ca_file=/a', 'postgres://host/db', 'postgres://u@[::1]:5433/db', 'nothing'])
      expect(serversOf(address), address).to.deep.equal({ urls: [address], target: undefined })
  })

  it('are one address each, with the user, the database and the parameters of all', () => {
    expect(serversOf('postgres://u:p%40,q@a:5433,[::1]:5434,c/telemetry?target_session_attrs=read-write')).to.deep.equal({
      urls: ['postgres://u:p%40,q@a:5433/telemetry', 'postgres://u:p%40,q@[::1]:5434/telemetry', 'postgres://u:p%40,q@c/telemetry'],
      target: 'read-write',
    })
    expect(serversOf('postgres://u@a,b/db?target_session_attrs=prefer-standby&application_name=x')).to.deep.equal({
      urls: ['postgres://u@a/db?application_name=x', 'postgres://u@b/db?application_name=x'],
      target: 'prefer-standby',
    })
    expect(serversOf('postgres://u@a/db?target_session_attrs=primary')).to.deep.equal({ urls: ['postgres://u@a/db'], target: 'primary' })
  })

  it('keep the files of TLS, and each is verified by its own name', () => {
    const { urls } = serversOf(
      'postgres://u@a.example:5433,b.example/db?target_session_attrs=primary&ca_file=/etc/ssl/certs/ca-certificates.crt',
    )
    expect(
      urls.map((url) => clientSettings(url)).map(({ connectionString, ssl }) => [connectionString, (ssl as { host: string }).host]),
    ).to.deep.equal([
      ['postgres://u@a.example:5433/db', 'a.example'],
      ['postgres://u@b.example/db', 'b.example'],
    ])
  })

  it('have no target if the address asks for one that nobody knows', () => {
    expect(serversOf('postgres://a,b/db?target_session_attrs=leader').target).to.equal(undefined)
  })
})
