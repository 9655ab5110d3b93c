import { expect } from 'chai'
import { meansUs } from './http-host.ts'

describe('the Host of a request', () => {
  const means = (host: string | undefined, localAddress = '10.1.2.3', names: readonly string[] = []): boolean =>
    meansUs({ host, localAddress }, names)

  it('is ours if it is a name of this machine to itself, whatever the port', () => {
    for (const host of ['localhost', 'LOCALHOST:9464', 'localhost.', '127.0.0.1:9464', '[::1]', '[::1]:9464'])
      expect(means(host), host).to.equal(true)
  })

  it('is ours if it is the address that was dialled', () => {
    expect(means('10.1.2.3:9464')).to.equal(true)
    expect(means('10.1.2.3', '::ffff:10.1.2.3')).to.equal(true)
    expect(means('[fe80::1]:80', 'fe80::1')).to.equal(true)
    expect(means('10.1.2.4')).to.equal(false)
  })

  it('is ours if it is one of the names given', () => {
    expect(means('bridge.millrace.svc:9464', '10.1.2.3', ['Bridge.millrace.svc'])).to.equal(true)
    expect(means('[fd00::7]', '10.1.2.3', ['[fd00::7]'])).to.equal(true)
  })

  it('is foreign otherwise: a name that only looks like ours, or none at all', () => {
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example:9464',
      'localhost@evil.example',
      '',
      'localhost:x',
      '[localhost]',
      '[::1',
      'localhost localhost',
      '0.0.0.0',
    ])
      expect(means(host), host).to.equal(false)
  })

  it('may be absent, as in HTTP/1.0: a browser always sends it', () => {
    expect(means(undefined)).to.equal(true)
  })
})
