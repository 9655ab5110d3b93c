import { expect } from 'chai'
import { libpqAddress } from './libpq-address.ts'

describe('an address for psql', () => {
  it('is the address itself if there is nothing to hide or to rename', () => {
    const address = 'postgres://millrace@127.0.0.1:5433/telemetry'
    expect(libpqAddress(address)).to.deep.equal({ address, password: undefined })
  })

  it("has no password, and libpq's own parameters for TLS", () => {
    expect(libpqAddress('postgres://millrace:a%2Fb@db:5433/telemetry?ca_file=/etc/ca.pem&cert_file=/c.pem&key_file=/k.pem')).to.deep.equal({
      address: 'postgres://millrace@db:5433/telemetry?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&sslcert=%2Fc.pem&sslkey=%2Fk.pem',
      password: 'a/b',
    })
  })

  it('keeps all servers, and which one is meant', () => {
    expect(libpqAddress('postgres://u:p@a:1,b:2/app?target_session_attrs=read-write')).to.deep.equal({
      address: 'postgres://u@a:1,b:2/app?target_session_attrs=read-write',
      password: 'p',
    })
  })
})
