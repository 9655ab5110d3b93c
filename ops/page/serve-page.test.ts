import { once } from 'node:events'
import { createServer, type OutgoingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Router } from 'express'
import { actionsWith } from './actions.ts'
import { createHub } from './hub.ts'
import { CONTENT_SECURITY_POLICY } from './protection.ts'
import { createApp } from './serve-page.ts'

const TOKEN = '0123456789abcdef'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

describe('what the page answers', () => {
  let server: Server
  let acted = 0
  const hub = createHub({ feeds: [], explain: String })

  before(async () => {
    const router = Router()
    router.get('/', (_request, response) => void response.json({ seen: true }))
    router.get('/broken', () => {
      throw new Error('the database is away')
    })
    router.post('/act', actionsWith(TOKEN), (_request, response) => {
      acted++
      response.json({})
    })
    const readOnly = Router().post('/act', actionsWith(undefined), (_request, response) => void response.json({}))
    server = createServer(
      createApp({
        hub,
        sections: [
          { name: 'try', router },
          { name: 'read-only', router: readOnly },
        ],
        names: ['ops.example'],
        facts: { version: '1', actions: true },
        explain: (cause) => (cause as Error).message,
      }),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })

  after(async () => {
    await hub[Symbol.asyncDispose]()
    server.close()
    server.closeAllConnections()
  })

  beforeEach(() => {
    acted = 0
  })

  async function ask(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
    const { port } = server.address() as AddressInfo
    const asked = request({ host: '127.0.0.1', port, path, method, headers: { connection: 'close', ...headers } })
    asked.end()
    const [response] = await once(asked, 'response')
    let body = ''
    for await (const part of response.setEncoding('utf8')) body += part
    return { status: response.statusCode, headers: response.headers, body }
  }

  const act = async (headers: OutgoingHttpHeaders): Promise<number> => (await ask('/api/try/act', headers, 'POST')).status

  for (const path of ['/', '/main.js', '/vendor/uplot/uPlot.esm.js', '/api/page', '/api/nothing', '/nothing', '/favicon.ico', '/events'])
    it(`has the strict headers at ${path}`, async () => {
      const { headers } = await ask(path)
      expect(headers['content-security-policy']).to.equal(CONTENT_SECURITY_POLICY)
      expect(headers['x-content-type-options']).to.equal('nosniff')
      expect(headers).to.not.have.any.keys('x-powered-by', 'access-control-allow-origin', 'set-cookie')
    })

  it('has a policy without inline code, other sites and markup from text', () => {
    expect(CONTENT_SECURITY_POLICY).to.match(/^default-src 'none';/)
    expect(CONTENT_SECURITY_POLICY).to.include("require-trusted-types-for 'script'")
    expect(CONTENT_SECURITY_POLICY).to.not.match(/unsafe|https?:|\*|data:/)
  })

  it('serves the page, its scripts and the charts', async () => {
    expect((await ask('/')).body).to.include('<main')
    expect((await ask('/main.js')).headers['content-type']).to.match(/^text\/javascript/)
    expect((await ask('/vendor/uplot/uPlot.min.css')).status).to.equal(200)
    expect((await ask('/favicon.ico')).status).to.equal(204)
  })

  it('serves nothing that is outside its folder', async () => {
    for (const path of ['/../serve-page.ts', '/%2e%2e/serve-page.ts', '/..%2fserve-page.ts', '/.%00/', '/vendor/uplot/../package.json'])
      expect((await ask(path)).status, path).to.be.oneOf([400, 403, 404])
  })

  it('answers under its own names and addresses only (DNS rebinding)', async () => {
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:9480', 'ops.example', 'OPS.example:9480'])
      expect((await ask('/api/page', { host })).status, host).to.equal(200)
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'ops.example.evil.example', 'ops.example@evil.example'])
      expect((await ask('/api/page', { host })).status, host).to.equal(421)
  })

  it('answers no page from elsewhere, but a link to it', async () => {
    const own = { host: 'ops.example', origin: 'https://ops.example' }
    expect((await ask('/api/try', own)).status).to.equal(200)
    for (const origin of ['https://evil.example', 'http://ops.example:81', 'null'])
      expect((await ask('/api/try', { host: 'ops.example', origin })).status, origin).to.equal(403)
    for (const site of ['cross-site', 'same-site'])
      expect((await ask('/events?channels=[]', { 'sec-fetch-site': site })).status).to.equal(403)
    expect((await ask('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status).to.equal(200)
  })

  it('acts for whoever has the token, and for nobody else', async () => {
    expect(await act({})).to.equal(401)
    expect(await act({ authorization: 'Basic x' })).to.equal(401)
    for (const wrong of ['wrong', TOKEN.slice(1), `${TOKEN}0`, ` ${TOKEN}`, TOKEN.toUpperCase()])
      expect(await act({ authorization: `Bearer ${wrong}` }), wrong).to.equal(403)
    expect(await act({ authorization: `Bearer ${TOKEN}`, origin: 'https://evil.example' })).to.equal(403)
    expect(acted).to.equal(0)
    expect(await act({ authorization: `Bearer ${TOKEN}` })).to.equal(200)
    expect(acted).to.equal(1)
  })

  it('is read-only without a token, and takes no short one', async () => {
    const { status, body } = await ask('/api/read-only/act', { authorization: 'Bearer ' }, 'POST')
    expect([status, JSON.parse(body)]).to.deep.equal([
      403,
      { problem: 'this page is read-only: it was started without MILLRACE_OPS_TOKEN' },
    ])
    expect(() => actionsWith('short')).to.throw('MILLRACE_OPS_TOKEN: expected 16 characters or more')
  })

  it('says what is wrong if a section fails, and goes on', async () => {
    const { status, body } = await ask('/api/try/broken')
    expect([status, JSON.parse(body)]).to.deep.equal([503, { problem: 'the database is away' }])
    expect((await ask('/api/try')).status).to.equal(200)
  })

  it('opens a stream for a list of channels', async () => {
    for (const query of ['', '?channels=x', '?channels={}', '?channels=[1]', '?channels[]=x'])
      expect((await ask(`/events${query}`)).status, query).to.equal(400)
    const { status, headers, body } = await ask('/events?channels=["nothing"]')
    expect([status, headers['content-type']]).to.deep.equal([404, 'application/json; charset=utf-8'])
    expect(JSON.parse(body)).to.deep.equal({ problem: 'there is no such channel' })
  })
})
