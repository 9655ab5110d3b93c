import type { Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type HttpLimits, serveHttp, sharedAnswer } from './http-server.ts'

describe('the HTTP server of a service', () => {
  let server: Server
  const sockets: Socket[] = []

  const start = async (
    limits: Partial<HttpLimits> = {},
    names: readonly string[] = [],
    own: { readonly now?: () => number } = {},
  ): Promise<void> => {
    server = await serveHttp({
      host: '127.0.0.1',
      port: 0,
      names,
      pages: {
        '/health': () => ({ status: 200, type: 'text/plain', body: 'fine' }),
        '/broken': () => Promise.reject(new Error('no figures')),
      },
      limits,
      ...own,
    })
  }

  const open = (): Socket => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    return socket
  }

  /** What comes back until the server closes the connection. */
  const ask = (...lines: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      const socket = open()
      let text = ''
      socket.on('data', (chunk) => (text += String(chunk)))
      socket.on('close', () => resolve(text))
      socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`)
    })
  const status = async (...lines: readonly string[]): Promise<string> => (await ask(...lines)).slice(9, 12)

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    server.close()
    server.closeAllConnections()
  })

  it('answers GET and HEAD, with a query too', async () => {
    await start()
    expect(await ask('GET /health HTTP/1.1', 'Host: localhost')).to.match(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nfine$/)
    expect(await ask('GET /health?module=x HTTP/1.1', 'Host: 127.0.0.1:9464')).to.match(/fine$/)
    expect(await ask('HEAD /health HTTP/1.1', 'Host: localhost')).to.match(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n$/)
    expect(await status('GET /health HTTP/1.0')).to.equal('200')
  })

  it('refuses other methods with 405 and says which there are', async () => {
    await start()
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])
      expect(await ask(`${method} /health HTTP/1.1`, 'Host: localhost'), method).to.match(/^HTTP\/1\.1 405 [\s\S]*\r\nAllow: GET, HEAD\r\n/)
    expect(await ask('CONNECT evil.example:80 HTTP/1.1', 'Host: localhost')).to.equal('')
  })

  it('refuses a request that means another server, whatever it asks for', async () => {
    await start()
    for (const host of ['evil.example', 'evil.example:9464', '127.0.0.1.evil.example', '10.9.9.9'])
      expect(await status('GET /health HTTP/1.1', `Host: ${host}`), host).to.equal('421')
    expect(await status('GET http://evil.example/health HTTP/1.1', 'Host: evil.example')).to.equal('421')
    expect(await status('POST /health HTTP/1.1', 'Host: evil.example')).to.equal('421')
  })

  it('answers under the names that it was given', async () => {
    await start({}, ['bridge.millrace.svc'])
    expect(await status('GET /health HTTP/1.1', 'Host: bridge.millrace.svc:9464')).to.equal('200')
  })

  it('takes neither a head without end nor a request that is two', async () => {
    await start()
    expect(await status('GET /health HTTP/1.1', 'Host: localhost', `X-Long: ${'x'.repeat(1_000_000)}`)).to.equal('431')
    const two = await ask(
      'POST /health HTTP/1.1',
      'Host: localhost',
      'Content-Length: 4',
      'Transfer-Encoding: chunked',
      '',
      '0',
      '',
      'GET /health HTTP/1.1',
      'Host: localhost',
    )
    expect(two.match(/HTTP\/1\.1 \d+/g)).to.deep.equal(['HTTP/1.1 400'])
  })

  it('has nothing but its pages', async () => {
    await start()
    for (const path of ['/', '/../../etc/passwd', '/%2e%2e/etc/passwd', '/constructor', '/__proto__', '//health'])
      expect(await status(`GET ${path} HTTP/1.1`, 'Host: localhost'), path).to.equal('404')
    expect(await ask('GET /broken HTTP/1.1', 'Host: localhost')).to.match(/^HTTP\/1\.1 500 [\s\S]*no figures\n$/)
  })

  it('evens out what comes too fast, and refuses what would wait too long', async () => {
    // Of one moment, however long this machine takes to make the connections.
    await start({ answersPerSecond: 20, burst: 5, longestWaitMs: 300 }, [], { now: () => 0 })
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: 20 }, () => status('GET /health HTTP/1.1', 'Host: localhost')))
    expect(performance.now() - began).to.be.above(250)
    expect(answers.filter((each) => each === '200')).to.have.length(11)
    expect(answers.filter((each) => each === '503')).to.have.length(9)
  })

  it('closes what never says what it wants', async () => {
    await start({ headMs: 300 })
    const closed = new Promise((resolve) => open().on('close', resolve).resume().write('GET /health HTTP/1.1\r\n'))
    await closed
    expect(await status('GET /health HTTP/1.1', 'Host: localhost')).to.equal('200')
  })

  it('answers though a stranger holds as many connections as there may be', async () => {
    await start({ connections: 20 })
    const held = Array.from({ length: 200 }, open)
    const closed = (): number => held.filter((socket) => socket.destroyed).length
    while (closed() < 180) await delay(10)
    expect(await status('GET /health HTTP/1.1', 'Host: localhost')).to.equal('200')
  })
})

describe('an answer that is shared', () => {
  it('is made again only after so large a share of the time, and never twice at once', async () => {
    let nowMs = 0
    let made = 0
    const ask = sharedAnswer(
      0.1,
      1_000,
      async () => {
        nowMs += 10
        await delay(1)
        return ++made
      },
      () => nowMs,
    )
    expect(await Promise.all([ask(), ask(), ask()])).to.deep.equal([1, 1, 1])
    nowMs += 99
    expect(await ask()).to.equal(1)
    nowMs += 1
    expect(await ask()).to.equal(2)
  })

  it('is never older than the longest time', async () => {
    let nowMs = 0
    let made = 0
    const ask = sharedAnswer(
      0.001,
      1_000,
      async () => {
        nowMs += 500
        return ++made
      },
      () => nowMs,
    )
    expect(await ask()).to.equal(1)
    nowMs += 1_000
    expect(await ask()).to.equal(2)
  })

  it('does not keep a failure', async () => {
    let tries = 0
    const ask = sharedAnswer(0.1, 1_000, async () => {
      if (++tries === 1) throw new Error('not now')
      return tries
    })
    expect(await ask().catch((cause: unknown) => String(cause))).to.equal('Error: not now')
    expect(await ask()).to.equal(2)
  })
})
