import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { readTls } from '../../connectors/tls-files.ts'
import { until } from '../pipeline/service.ts'
import { testBroker } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { openHostileClient } from './hostile-client.ts'

const SOCKETS = 5_000
/** Of deploy/local/mosquitto/part.sh, and what it takes to find them all. */
const CLOSED_MS = 60_000
const run = `door${Date.now().toString(36)}`

/** A connection to the broker that has not said who it is. */
function openSocket(): Socket {
  const { hostname: host, port } = new URL(testBroker().url)
  return connect({ host, port: Number(port) })
    .on('error', () => undefined)
    .resume()
}

/** Resolves with what the broker answered when it has hung up. */
function sent(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const { tls } = testBroker()
    const { hostname: host } = new URL(testBroker().url)
    const socket =
      tls === undefined ? openSocket() : connectTls({ socket: openSocket(), host, ...readTls(tls) }).on('error', () => undefined)
    const answer: Buffer[] = []
    socket.on('data', (data) => answer.push(data)).once('close', () => resolve(Buffer.concat(answer)))
    socket.write(bytes)
  })
}

describe('at the door of the broker', function () {
  this.timeout(120_000)
  const { use, atEnd } = closing()

  it('5,000 who never say who they are are shown out within seconds, and meanwhile others are let in', async () => {
    const device = await use(openHostileClient({ clientId: `${run}-before` }))
    const sockets: Socket[] = []
    atEnd(async () => {
      for (const socket of sockets) socket.destroy()
    })
    for (let index = 0; index < SOCKETS; index++) {
      sockets.push(openSocket())
      if (index % 200 === 0) await delay(5)
    }
    // One that says so little at a time that it is never silent.
    const slow = openSocket()
    sockets.push(slow)
    slow.write(Buffer.from([0x10, 0x7f]))
    const saying = setInterval(() => slow.write(Buffer.from([0])), 1_000)
    atEnd(async () => clearInterval(saying))
    const another = await use(openHostileClient({ clientId: `${run}-meanwhile` }))
    expect(another.connack).to.equal(0)
    await until('every one of them is closed', async () => sockets.every(({ destroyed }) => destroyed), CLOSED_MS)
    // 0x10: taken, and nobody has subscribed to it.
    for (const client of [device, another]) expect(await client.publish(`devices/${run}/bulk`, '{}')).to.be.oneOf([0, 0x10])
  })

  it('a first packet that announces 256 MB is not waited for', async () => {
    expect(await sent(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))).to.have.length(0)
  })

  it('a browser is hung up on', async () => {
    expect(String(await sent(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')))).to.equal('')
  })

  it('a length that never ends, a packet before CONNECT and a second CONNECT end the connection', async () => {
    expect(await sent(Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff]))).to.have.length(0)
    // PUBLISH to the topic `t`.
    expect(await sent(Buffer.from([0x30, 4, 0, 1, 0x74, 0x78]))).to.have.length(0)
    const twice = await use(openHostileClient({ clientId: `${run}-twice` }))
    twice.raw(Buffer.from([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 60, 0, 0, 0]))
    await twice.closed
  })
})
