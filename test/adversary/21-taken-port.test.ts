import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { requireFree, TakenPortError } from '../chaos/ports.ts'
import { createServices } from '../chaos/services.ts'
import { readSettings } from '../chaos/settings.ts'
import { createStack } from '../chaos/stack.ts'
import { freePort } from '../pipeline/service.ts'

const MOST_PORT = 50_000

describe('a port that somebody else has', () => {
  let folder: string
  let squatter: Server
  let port: number

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-chaos-'))
    // Those of the other parts follow from it, and must be ports too.
    do port = await freePort()
    while (port > MOST_PORT)
    squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve))
  })

  after(() => {
    squatter.close()
    rmSync(folder, { recursive: true })
  })

  const expectTaken = async (work: Promise<unknown>, ...parts: readonly (string | RegExp)[]): Promise<void> => {
    const cause = await work.then(
      () => undefined,
      (failure: unknown) => failure,
    )
    expect(cause).to.be.instanceOf(TakenPortError)
    for (const part of parts) expect((cause as Error).message).to.match(new RegExp(part))
  }

  it('is named by make chaos at once, with who has it, if a part of the stack needs it', async () => {
    const began = performance.now()
    const settings = readSettings({ MILLRACE_LOCAL: join(folder, 'stack'), MILLRACE_PORT_OFFSET: String(port - 1883) }, 1)
    const stack = createStack(settings, { MILLRACE_KAFKA_PORT: String(await freePort()) })
    await expectTaken(stack.start('mosquitto'), `port ${port} is taken by .*\\(PID ${process.pid}\\)`, /MILLRACE_PORT_OFFSET/)
    await stack.destroy()
    expect(performance.now() - began).to.be.below(20_000)
  })

  it('is named too if a service needs it for its metrics', async () => {
    await using services = createServices({
      directory: join(folder, 'run'),
      env: process.env,
      configuration: '',
      sessionTimeoutMs: 6_000,
      firstMetricsPort: port,
    })
    await expectTaken(services.start('bridge'), `port ${port}, for metrics of bridge, is taken by .* \\(PID ${process.pid}\\)`)
  })

  it('is none if nobody listens on it, or it is that of a process that will be ended', async () => {
    await requireFree(await freePort(), 'nothing')
    await requireFree(port, 'a leftover', process.pid)
  })
})
