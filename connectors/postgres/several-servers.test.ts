import { expect } from 'chai'
import { ConnectorError } from '../contract.ts'
import type { ServerState } from './server-choice.ts'
import { openOneOf } from './several-servers.ts'

interface FakeServer {
  readonly state?: ServerState
  readonly failure?: ConnectorError
  readonly answers?: Promise<void>
}

const writable = (timeline: number): ServerState => ({ standby: false, readOnly: false, timeline, startedAt: `timeline ${timeline}` })
const standby: ServerState = { standby: true, readOnly: true, timeline: null, startedAt: 'standby' }
const away = new ConnectorError('ECONNREFUSED', true, 'connecting', new Error('connect ECONNREFUSED'))

/** Opens one of some servers; which, and which sessions were closed. */
async function opened(servers: Readonly<Record<string, FakeServer>>, graceMs = 1_000): Promise<readonly [string, readonly string[]]> {
  const closed: string[] = []
  const { url } = await openOneOf({
    urls: Object.keys(servers),
    target: 'read-write',
    graceMs,
    open: async (url) => {
      const { state, failure, answers } = servers[url] as FakeServer
      await answers
      if (failure !== undefined || state === undefined) throw failure ?? new Error('no state')
      return { url, state, close: async () => void closed.push(url) }
    },
  })
  return [url, closed]
}

const refusal = (servers: Readonly<Record<string, FakeServer>>): Promise<unknown> => opened(servers).catch((cause: unknown) => cause)

describe('a session at one of several servers', () => {
  it('is at the writable one, and the others are closed', async () => {
    expect(await opened({ 'postgres://a1/db': { state: standby }, 'postgres://b1/db': { state: writable(1) } })).to.deep.equal([
      'postgres://b1/db',
      ['postgres://a1/db'],
    ])
    expect(await opened({ 'postgres://a1/db': { failure: away }, 'postgres://b1/db': { state: writable(1) } })).to.deep.equal([
      'postgres://b1/db',
      [],
    ])
  })

  it('does not wait for a server that says nothing, and closes what it opens later', async () => {
    let answer: () => void = () => undefined
    const answers = new Promise<void>((resolve) => {
      answer = resolve
    })
    const [url, closed] = await opened({ 'postgres://a2/db': { state: standby, answers }, 'postgres://b2/db': { state: writable(1) } }, 10)
    expect(url).to.equal('postgres://b2/db')
    answer()
    await new Promise(setImmediate)
    expect(closed).to.deep.equal(['postgres://a2/db'])
  })

  it('waits, with an error that is transient and says of each why, while none is writable', async () => {
    const error = await refusal({
      'postgres://u:secret@a3:5433/db': { state: standby },
      'postgres://u:secret@b3:5434/db': { failure: away },
    })
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ code: 'ECONNREFUSED', transient: true })
    expect((error as Error).message).to.equal(
      'connecting to the database: no server is as read-write asks for: a3:5433 is a standby; b3:5434 cannot be reached (connect ECONNREFUSED)',
    )
    expect(await refusal({ 'postgres://a3/db': { state: standby } })).to.include({ code: '25006', transient: true })
  })

  it('is refused for good if no server answers and waiting helps with none', async () => {
    const failure = new ConnectorError('28P01', false, 'connecting', new Error('password authentication failed'))
    expect(await refusal({ 'postgres://a4/db': { failure }, 'postgres://b4/db': { failure } })).to.include({
      code: '28P01',
      transient: false,
    })
    expect(await refusal({ 'postgres://a4/db': { failure }, 'postgres://b4/db': { failure: away } })).to.include({ transient: true })
  })

  it('is never again at an old primary once this process has been with the promoted server', async () => {
    const promoted = { 'postgres://a5/db': { failure: away }, 'postgres://b5/db': { state: writable(2) } }
    expect((await opened(promoted))[0]).to.equal('postgres://b5/db')
    const back = await refusal({ 'postgres://a5/db': { state: writable(1) }, 'postgres://b5/db': { failure: away } })
    expect(back).to.include({ transient: true })
    expect((back as Error).message).to.include('a5 is an old primary: its timeline is 1, and that of the newest is 2')
    expect((await opened({ 'postgres://a5/db': { state: writable(1) }, 'postgres://b5/db': { state: writable(2) } }))[0]).to.equal(
      'postgres://b5/db',
    )
  })
})
