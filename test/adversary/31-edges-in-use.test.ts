import { spawn } from 'node:child_process'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { runMillrace } from './command.ts'
import { provision, sendMessages } from './messages.ts'
import { openOutcomes } from './outcomes.ts'

const run = `p${Date.now().toString(36)}`

describe('a reader that has seen enough', () => {
  const { use } = closing()

  it('ends dead export quietly', async () => {
    await provision()
    const outcomes = await use(openOutcomes(['bridge']))
    await use(startService('bridge'))
    // More than a pipe holds, so that what is left cannot be written.
    const payload = 'x'.repeat(60_000)
    await sendMessages(Array.from({ length: 30 }, () => ({ topic: `devices/${run}/status`, payload })))
    await until('the dead letters are there', async () => (await outcomes.deadLetters(run)).length === 30)
    const { code, error } = await pipe('dead export bridge | head -c 100 >/dev/null')
    expect([code, error]).to.deep.equal([0, ''])
  })

  it('ends other commands quietly too', async () => {
    for (const command of ['--help', 'lag', 'dead', 'devices list']) {
      const { code, error } = await pipe(`${command} | true`)
      expect([code, error], command).to.deep.equal([0, ''])
    }
  })

  it('is no excuse for a disk that is full', async () => {
    const { code, error } = await pipe('dead export bridge >/dev/full')
    expect(code).to.not.equal(0)
    expect(error).to.match(/^millrace: [^\n]*ENOSPC[^\n]*\n$/)
  })
})

describe('a Kafka broker with an IPv6 address', () => {
  let server: Server
  const sockets = new Set<Socket>()

  before(async () => {
    const [host, port] = address('KAFKA_BROKERS').split(':')
    server = createServer((socket) => {
      const kafka = connect(Number(port), host)
      for (const each of [socket, kafka]) sockets.add(each.on('error', () => undefined))
      socket.pipe(kafka).pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '::1', resolve))
  })

  after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  it('is asked', async () => {
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    const { code, output, error } = await runMillrace(['lag'], { KAFKA_BROKERS: `[::1]:${bound.port}` })
    expect([code, error]).to.deep.equal([0, ''])
    expect(output).to.include('standardise')
    expect(sockets.size).to.be.above(0)
  })
})

/** A pipe of the shell whose exit code is that of `millrace`. */
function pipe(command: string): Promise<{ readonly code: number | null; readonly error: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `"$0" ${command}; exit "\${PIPESTATUS[0]}"`, `${projectRoot}bin/millrace`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let error = ''
    child.stderr.on('data', (chunk: Buffer) => (error += String(chunk)))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, error }))
  })
}
