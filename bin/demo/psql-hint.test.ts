import { expect } from 'chai'
import { psqlHint } from './psql-hint.ts'

describe('the hint how to open a database', () => {
  it('is a command that psql takes', () => {
    expect(psqlHint('postgres://millrace@127.0.0.1:5433/telemetry', '.local/dev')).to.equal(
      'psql postgres://millrace@127.0.0.1:5433/telemetry',
    )
    expect(psqlHint('postgres://millrace@a:1,b:2/app?target_session_attrs=read-write', '.local/dev')).to.equal(
      "psql 'postgres://millrace@a:1,b:2/app?target_session_attrs=read-write'",
    )
  })

  it('shows no password', () => {
    expect(psqlHint('postgres://millrace:secret@127.0.0.1:5433/telemetry?ca_file=/ca.pem', '.local/dev')).to.equal(
      "PGPASSWORD=$(cat .local/dev/passwords/postgres-millrace) psql 'postgres://millrace@127.0.0.1:5433/telemetry?sslmode=verify-full&sslrootcert=%2Fca.pem'",
    )
  })
})
