import { createRequire } from 'node:module'
import { expect } from 'chai'
import './kafkajs.ts'

interface Runner {
  running: boolean
  consumerGroup: { commitOffsets(offsets: unknown): Promise<void> }
  retrier: unknown
  logger: { debug(): void }
  commitOffsets(offsets: unknown): Promise<void>
}
const require = createRequire(import.meta.url)
const RunnerClass = require('kafkajs/src/consumer/runner') as { readonly prototype: Runner }
const createRetry = require('kafkajs/src/retry') as (options: object) => unknown

describe('a commit of offsets', () => {
  let calls: number
  const runner = (running: boolean): Runner =>
    Object.assign(Object.create(RunnerClass.prototype) as Runner, {
      running,
      logger: { debug: () => undefined },
      retrier: createRetry({ retries: 9, initialRetryTime: 1 }),
      consumerGroup: {
        commitOffsets: async () => {
          if (calls++ === 0) throw new Error('Kafka is away')
        },
      },
    })
  const outcome = (commit: Promise<void>): Promise<unknown> =>
    Promise.resolve(commit).then(
      () => 'committed',
      (cause: unknown) => String(cause),
    )
  beforeEach(() => {
    calls = 0
  })

  it('that fails says so at once: tried again later, it would put its old offset over a newer one', async () => {
    expect(await outcome(runner(true).commitOffsets({}))).to.contain('Kafka is away')
    expect(calls).to.equal(1)
  })

  it('of a consumer that is being restarted is not taken for done', async () => {
    expect(await outcome(runner(false).commitOffsets({}))).to.contain('not running')
  })
})
