import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { ConnectorError } from '../../connectors/contract.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import { scratchDatabase } from './scratch-database.ts'

/** An address of a secured stack has parameters already. */
const withParameter = (url: string, parameter: string): string => `${url}${url.includes('?') ? '&' : '?'}${parameter}`

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

  it('is at the server of several that is as the address asks for, and says why none is', async () => {
    await using database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    const { host } = new URL(database.url)
    const opening = (hosts: string, target: string) =>
      openSession({ url: withParameter(database.url.replace(host, hosts), `target_session_attrs=${target}`), applicationName: 'test' })
    for (const target of ['read-write', 'primary', 'any', 'prefer-standby']) {
      const session = await opening(`127.0.0.1:1,${host}`, target)
      expect(await session.query('asking', 'SELECT 1 AS one'), target).to.deep.equal([{ one: 1 }])
      await session.close()
    }
    const refused = await opening(`${host},127.0.0.1:1`, 'standby').catch((cause: unknown) => cause)
    expect(refused).to.be.instanceOf(ConnectorError).that.includes({ code: 'ECONNREFUSED', transient: true })
    expect((refused as Error).message).to.include(`${host} is not a standby; 127.0.0.1:1 cannot be reached`)
  })

  it('that is to write is given up at a server that takes no writes any more', async () => {
    await using database = await scratchDatabase('TELEMETRY_DATABASE_URL')
    for (const [query, lost] of [
      ['target_session_attrs=read-write', true],
      ['', false],
    ] as const) {
      const session = await openSession({ url: withParameter(database.url, query), applicationName: 'test' })
      await session.script('becoming read-only', 'SET default_transaction_read_only = on')
      const error = await session.script('writing', 'CREATE TABLE written ()').catch((cause: unknown) => cause)
      expect(error).to.include({ code: '25006', transient: true })
      expect(session.lost).to.equal(lost)
      await session.close()
    }
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
