import { expect } from 'chai'
import type { Session } from '../../../connectors/postgres/session.ts'
import { type Backend, diskOf, isBackend, shownServers } from './data-disk.ts'

const backend: Backend = { pid: process.pid, user: 'millrace_reader', database: 'telemetry', client: '127.0.0.1', port: 33836 }
const answering = (row: Backend): Session => ({ query: async () => [row] }) as unknown as Session

describe('the file system of a database', () => {
  it('is known if the process behind the session is here, which its title tells', () => {
    for (const title of [
      'postgres: millrace_reader telemetry 127.0.0.1(33836) SELECT\0\0',
      'postgres: 17/main: millrace_reader telemetry 127.0.0.1(33836) idle',
      'postgres: millrace_reader telemetry 127.0.0.1(33836)',
    ])
      expect(isBackend(title, backend), title).to.equal(true)
    expect(isBackend('postgres: millrace_reader telemetry [local] idle', { ...backend, client: null, port: null })).to.equal(true)
  })

  it('is not that of another server whose process happens to have the same number', () => {
    for (const title of [
      undefined,
      '',
      'node\0server.js',
      'postgres: checkpointer',
      'postgres: millrace_reader telemetry 127.0.0.1(3383) idle',
      'postgres: millrace_reader app 127.0.0.1(33836) idle',
      'postgres: millrace_reader telemetry [local] idle',
      'sh -c postgres: millrace_reader telemetry 127.0.0.1(33836) idle',
    ])
      expect(isBackend(title, backend), title).to.equal(false)
  })

  it('is unknown, and never that of this machine, if the server is behind an address here but runs elsewhere', async () => {
    for (const pid of [process.pid, 1, 2_147_483_647]) {
      const { fileSystem, unseen } = await diskOf(answering({ ...backend, pid }))
      expect(fileSystem).to.equal(null)
      expect(unseen).to.include('not seen on this machine')
    }
  })

  it('is said with the servers that its address has, one or several', () => {
    expect(shownServers('postgres://u:p@db.example/telemetry')).to.equal('db.example:5432')
    expect(shownServers('postgres://u@a:5433,b:5434/app?target_session_attrs=read-write')).to.equal('a:5433, b:5434')
    expect(shownServers('postgres:///app?host=/run/postgresql')).to.equal('/run/postgresql')
  })
})
