import { once } from 'node:events'
import { type ClientRequest, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type Page, servePage } from '../../ops/page/serve-page.ts'
import { loadConfig } from '../../services/config.ts'
import { until } from '../pipeline/service.ts'
import { address, quiet, testDatabase } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'

const run = `page${Date.now().toString(36)}`
const TOKEN = `token-of-${run}-0123456789`
/** Of the hub: streams at a time. */
const STREAMS = 200
/** An answer takes milliseconds; a machine that is busy takes its time. */
const SOON_MS = 20_000

/** What a text may be to a database, a shell, a path or a formatter. */
const TEXTS = [
  "'; DROP TABLE readings; --",
  "' OR '1'='1",
  '1) UNION SELECT version() --',
  "x'; SELECT pg_sleep(30); --",
  '%',
  '_',
  '$1',
  '\\',
  '\0',
  '\ud800',
  '../../etc/passwd',
  '{{7*7}}',
  '<svg onload=alert(1)>',
  '9'.repeat(30),
  '-1',
  'NaN',
  '[]',
  '{"__proto__":{"a":1}}',
] as const
/** Each question of the API, with good parameters. */
const QUESTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'devices/list': { search: run, account: '1', site: '1', state: 'ready', after: run },
  'devices/one': { device: run },
  'devices/history': { ids: `["${run}"]`, quantities: '["temperature"]', from: '1795000000000', to: '1795000060000', points: '150' },
  'devices/day': { site: '1', quantity: 'temperature' },
  'devices/sites': { any: '' },
  'dead-letters/newest': { topic: 'standardise.dead', reason: 'out-of-range' },
  'dead-letters/letter': { topic: 'standardise.dead', partition: '0', offset: '0' },
}

describe('a stranger at the page for operators', function () {
  this.timeout(90_000)
  const { use, atEnd } = closing()
  let page: Page

  before(async () => {
    await provision(run)
    const config = loadConfig({ ...process.env, MILLRACE_OPS_TOKEN: TOKEN }, undefined)
    page = await use(servePage({ config, host: '127.0.0.1', port: 0, names: [], log: quiet }))
  })

  const url = (path: string): string => `http://127.0.0.1:${page.port}${path}`
  const ask = async (path: string): Promise<{ readonly status: number; readonly body: string }> => {
    const response = await fetch(url(path), { signal: AbortSignal.timeout(SOON_MS) })
    return { status: response.status, body: await response.text() }
  }

  it('asks SQL, paths and markup in every parameter: each is a text or refused, and never an error of the database', async () => {
    const before = await tables()
    for (const [path, good] of Object.entries(QUESTIONS)) {
      for (const name of Object.keys(good)) {
        for (const value of TEXTS) {
          for (const query of [
            { ...good, [name]: value },
            { ...good, [name]: undefined, [`${name}[]`]: value, [`${name}[$ne]`]: value },
          ]) {
            const given = Object.entries(query).flatMap(([key, each]) => (each === undefined ? [] : [`${key}=${encode(each)}`]))
            const { status, body } = await ask(`/api/${path}?${given.join('&')}`)
            expect(status, `${path}?${given.join('&')}: ${body}`).to.be.oneOf([200, 400, 404])
            expect(body).to.not.match(/syntax error|pg_|ERROR:|PostgreSQL 1|root:|\bat .*\.(?:ts|js):/)
          }
        }
      }
    }
    expect(await tables()).to.deep.equal(before)
  })

  it('finds no more devices by a pattern or a quote than by its letters', async () => {
    const found = async (search: string): Promise<number> =>
      (JSON.parse((await ask(`/api/devices/list?search=${encode(search)}`)).body) as { devices: unknown[] }).devices.length
    expect(await found(run)).to.equal(1)
    for (const search of [`${run.slice(0, 4)}%${run.slice(-2)}`, `${run.slice(0, -1)}_`, "' OR '1'='1", '\\'])
      expect(await found(search)).to.equal(0)
  })

  it('opens as many streams as he can: so many there are, and who only asks is answered', async () => {
    const streams = Array.from({ length: STREAMS + 50 }, () => stream(page.port))
    atEnd(async () => {
      for (const each of streams) each.destroy()
    })
    const codes = await Promise.all(streams.map(statusOf))
    expect(codes.filter((code) => code === 200)).to.have.length(STREAMS)
    expect(codes.filter((code) => code === 503)).to.have.length(50)
    expect((await ask('/api/page')).status).to.equal(200)
    for (const each of streams) each.destroy()
    await until('there is room again', async () => {
      const next = stream(page.port)
      const code = await statusOf(next)
      next.destroy()
      return code === 200
    })
  })

  it('begins 700 requests and ends none: they are closed, and whoever looks is answered meanwhile', async () => {
    const sockets: Socket[] = []
    atEnd(async () => {
      for (const socket of sockets) socket.destroy()
    })
    for (let index = 0; index < 700; index++) {
      const socket = connect(page.port, '127.0.0.1')
      socket.on('error', () => undefined).resume()
      socket.write('GET /api/page HTTP/1.1\r\nHost: localhost\r\n')
      sockets.push(socket)
      if (index % 50 === 0) await delay(1)
    }
    // Over a connection of its own: one that is open already would show nothing.
    expect(await statusOf(get(page.port, '/api/page'))).to.equal(200)
    await until('every one of them is closed', async () => sockets.every(({ destroyed }) => destroyed), 30_000)
  })

  it('sends bodies without end, deep ones, and requests that are two: none is acted on', async () => {
    const post = async (body: string, headers: Readonly<Record<string, string>> = {}): Promise<number> => {
      const response = await fetch(url('/api/dead-letters/redrive'), {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/json', ...headers },
      }).catch(() => undefined)
      return response?.status ?? 0
    }
    const bearer = { Authorization: `Bearer ${TOKEN}` }
    const large = JSON.stringify({ processor: 'x'.repeat(5_000_000) })
    // 0: the connection is closed while it still sends.
    expect(await post(large)).to.be.oneOf([0, 401])
    expect(await post(large, bearer)).to.be.oneOf([0, 413])
    expect(await post('['.repeat(4_000), bearer)).to.equal(400)
    expect(await post('{"__proto__":{"dryRun":false},"processor":"standardise"}', bearer)).to.equal(400)
    expect(await post('processor=standardise', { ...bearer, 'Content-Type': 'text/plain' })).to.equal(400)
    expect((await ask(`/events?channels=${encode('['.repeat(5_000))}`)).status).to.equal(400)
    expect((await ask(`/api/page?${'x'.repeat(20_000)}`)).status).to.equal(431)
    const two = await raw(
      page.port,
      'POST /api/page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/page HTTP/1.1\r\nHost: localhost\r\n\r\n',
    )
    expect(two.match(/HTTP\/1\.1 \d+/g)).to.deep.equal(['HTTP/1.1 400'])
  })
})

/** As a form has it: half a surrogate pair too, which is no UTF-8. */
function encode(text: string): string {
  return text === '\ud800' ? '%ed%a0%80' : encodeURIComponent(text)
}

async function tables(): Promise<readonly unknown[]> {
  const client = testDatabase(address('TELEMETRY_DATABASE_URL'))
  await client.connect()
  try {
    return (await client.query('SELECT count(*) FROM pg_class WHERE relname = $1', ['readings'])).rows
  } finally {
    await client.end()
  }
}

function get(port: number, path: string): ClientRequest {
  const asked = request({ port, host: '127.0.0.1', path, agent: false })
  asked.on('error', () => undefined).end()
  return asked
}

function stream(port: number): ClientRequest {
  return get(port, `/events?channels=${encode('["line"]')}`)
}

async function statusOf(asked: ClientRequest): Promise<number> {
  const [response] = await once(asked, 'response')
  response.on('error', () => undefined).resume()
  return response.statusCode
}

/** All that comes back until the connection is closed, or nothing more comes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket
      .on('error', () => undefined)
      .on('data', (data) => (answer += String(data)))
      .once('close', () => resolve(answer))
    socket.setTimeout(10_000, () => socket.destroy())
    socket.write(text)
  })
}
