import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type FaultyProxy, openProxy } from './proxy.ts'

/** Resolves at the end of a connection, in whatever way it comes. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

describe('the proxy that splits connections', () => {
  let server: Server
  let proxy: FaultyProxy
  let served: Socket[] = []

  beforeEach(async () => {
    served = []
    server = createServer((socket) => {
      served.push(socket)
      socket.on('error', () => undefined)
      socket.pipe(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    proxy = await openProxy((server.address() as AddressInfo).port, 'LISTEN')
  })

  afterEach(async () => {
    await proxy[Symbol.asyncDispose]()
    for (const socket of served) socket.destroy()
    server.close()
  })

  async function dial(): Promise<Socket> {
    const socket = connect(proxy.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }

  async function echo(socket: Socket, text: string): Promise<string> {
    socket.write(text)
    const [data] = (await once(socket, 'data')) as [Buffer]
    return data.toString()
  }

  it('passes on both ways, and closes both ends', async () => {
    const socket = await dial()
    expect(await echo(socket, 'hello')).to.equal('hello')
    socket.end()
    await once(socket, 'close')
    await delay(20)
    expect(proxy.connections).to.equal(0)
    expect(served[0]?.destroyed).to.equal(true)
  })

  it('resets the connections that there are, and takes new ones', async () => {
    const socket = await dial()
    await echo(socket, 'hello')
    const closed = closing(socket)
    proxy.reset()
    await closed
    const next = await dial()
    expect(await echo(next, 'again')).to.equal('again')
    next.destroy()
  })

  it('holds back what comes during a stall, on new connections too, and loses nothing', async () => {
    const socket = await dial()
    await echo(socket, 'hello')
    proxy.stall()
    const late = await dial()
    const answers = [echo(socket, 'first'), echo(late, 'second')]
    const early = await Promise.race([Promise.any(answers), delay(50).then(() => 'nothing')])
    expect(early).to.equal('nothing')
    proxy.resume()
    expect(await Promise.all(answers)).to.deep.equal(['first', 'second'])
    socket.destroy()
    late.destroy()
  })

  it('leaves a client half open: the server has lost it, and nobody tells', async () => {
    const socket = await dial()
    await echo(socket, 'hello')
    const [serverSide] = served
    const lost = serverSide && closing(serverSide)
    proxy.halfOpen()
    await lost
    socket.write('into the void')
    await delay(50)
    expect(socket.destroyed).to.equal(false)
    const next = await dial()
    expect(await echo(next, 'again')).to.equal('again')
    socket.destroy()
    next.destroy()
  })

  it('swallows what passes on the connections that sent the watched text, without a word to either side, and on no others', async () => {
    const listening = await dial()
    await echo(listening, 'LISTEN changes')
    const other = await dial()
    await echo(other, 'SELECT 1')
    expect(proxy.swallow()).to.equal(1)
    let heard = ''
    listening.on('data', (data: Buffer) => {
      heard += data.toString()
    })
    listening.write('are you there?')
    for (const socket of served) socket.write('news;')
    expect(await echo(other, '!')).to.match(/^news;!?$/)
    await delay(50)
    expect(heard).to.equal('')
    expect(listening.destroyed).to.equal(false)
    expect(proxy.swallow()).to.equal(0)
    const next = await dial()
    expect(await echo(next, 'LISTEN again')).to.equal('LISTEN again')
    for (const socket of [listening, other, next]) socket.destroy()
  })
})
