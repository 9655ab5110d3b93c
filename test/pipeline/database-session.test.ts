import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { ConnectorError } from '../../connectors/contract.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import { scratchDatabase } from './scratch-database.ts'

describe('a database session', () => {
  it('does not wait for ever for a server that does not answer', async () => {
    await using database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    const session = await openSession({ url: database.url, applicationName: 'test', answerTimeoutMs: 100 })
    const error = await session.script('sleeping', 'SELECT pg_sleep(1)').catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ code: 'ETIMEDOUT', transient: true })
    expect(session.lost).to.equal(true)
    const after = await session.script('asking again', 'SELECT 1').catch((cause: unknown) => cause)
    expect(after).to.be.instanceOf(ConnectorError).that.includes({ transient: true })
    await session.close()
  })

  it('takes what is asked at once in turns, and does not count the wait for them as silence', async () => {
    await using database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    const session = await openSession({ url: database.url, applicationName: 'test', answerTimeoutMs: 500 })
    const warnings: string[] = []
    const warned = ({ message }: Error): void => void warnings.push(message)
    process.on('warning', warned)
    const asked = [1, 2, 3, 4].map((number) => session.query<{ number: number }>('sleeping', `SELECT pg_sleep(0.2), ${number} AS number`))
    const failing = session.script('failing', 'SELECT 1 / 0').catch((cause: unknown) => cause)
    expect((await Promise.all(asked)).map(([row]) => row?.number)).to.deep.equal([1, 2, 3, 4])
    expect(await failing).to.include({ code: '22012' })
    expect(await session.script('going on', 'SELECT 1')).to.deep.equal([1])
    process.off('warning', warned)
    expect(warnings).to.deep.equal([])
    await session.close()
  })

  it('calls a refused connection transient, and an unknown database and a wrong address defects', async () => {
    const opening = async (url: string) => openSession({ url, applicationName: 'test' }).catch((cause: unknown) => cause)
    expect(await opening('postgres://millrace@127.0.0.1:1/telemetry')).to.include({ code: 'ECONNREFUSED', transient: true })
    const url = new URL(process.env.TELEMETRY_DATABASE_URL ?? '')
    url.pathname = '/nowhere'
    expect(await opening(url.href)).to.include({ code: '3D000', transient: false })
    expect(await opening('postgres://millrace@127.0.0.1:99999/telemetry'))
      .to.be.instanceOf(Error)
      .that.not.includes({ transient: true })
  })

  it('that was idle in a transaction for too long is lost, not in error', async () => {
    await using database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    const session = await openSession({ url: database.url, applicationName: 'test', idleInTransactionTimeoutMs: 50 })
    await session.script('beginning', 'BEGIN')
    await sleep(200)
    const error = await session.script('going on', 'SELECT 1').catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ code: '25P03', transient: true })
    await session.close()
  })
})
