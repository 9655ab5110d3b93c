import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { isPublicAddress } from './addresses.ts'
import { type PostOptions, postWebhook, signature } from './post.ts'

const options: PostOptions = { privateAddresses: true, timeoutMs: 100, nowMs: 1_000, signal: new AbortController().signal }

describe('a webhook', () => {
  let server: Server
  let url: string

  beforeEach(async () => {
    server = createServer((request, response) => {
      if (request.url === '/hang') return
      response.writeHead(request.url === '/moved' ? 302 : request.url === '/bad' ? 500 : 204, { location: '/' }).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const post = (path: string, more: Partial<PostOptions> = {}): Promise<string | undefined> =>
    postWebhook({ url: `${url}${path}`, secret: 's'.repeat(16), eventId: 'a-opened', body: '{}' }, { ...options, ...more })

  it('is delivered if it answers 2xx; a redirect is not followed, and no answer is waited for no longer than said', async () => {
    expect(await post('/')).to.equal(undefined)
    expect(await post('/moved')).to.equal('answered 302')
    expect(await post('/bad')).to.equal('answered 500')
    expect(await post('/hang')).to.match(/100 ms|timeout/)
  })

  it('is refused at a private address, as a number or as a name, unless these are allowed', async () => {
    expect(await post('/', { privateAddresses: false })).to.match(/^127\.0\.0\.1 is not an address of the public Internet/)
    url = url.replace('127.0.0.1', 'localhost')
    expect(await post('/', { privateAddresses: false })).to.match(/^localhost: .* is not an address of the public Internet/)
  })

  it('knows private addresses, in whatever notation a URL has them', () => {
    for (const host of [
      '10.1.2.3',
      '169.254.169.254',
      '127.1',
      '0x7f000001',
      '[::1]',
      '[::ffff:10.0.0.1]',
      '[fe80::1]',
      '[fd00::1]',
      '[64:ff9b::a00:1]',
    ])
      expect(isPublicAddress(new URL(`http://${host}/`).hostname.replace(/^\[|\]$/g, '')), host).to.equal(false)
    for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111']) expect(isPublicAddress(address), address).to.equal(true)
  })

  it('is signed over time and body', () => {
    expect(signature('secret', '{}', 1_700_000_000_999)).to.match(/^t=1700000000,v1=[0-9a-f]{64}$/)
    expect(signature('secret', '{}', 1_700_000_001_000)).to.not.equal(signature('secret', '{}', 1_700_000_000_000))
  })
})
