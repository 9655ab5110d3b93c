import { expect } from 'chai'
import type pg from 'pg'
import { millrace } from '../pipeline/service.ts'
import { address, testDatabase } from '../pipeline/stack-clients.ts'
import { runMillrace } from './command.ts'

const run = `w${Date.now().toString(36)}`
const place = ['--account', `${run}-account`, '--site', 'east'] as const

/** What Date takes, or guesses at: another day, another year, the time of whoever types. */
const dates = [
  'tomorrow 3',
  '12',
  '2026-02-30',
  '2026-02-30T00:00:00Z',
  '2026-11-29T04:00',
  '2026-11-29 04:00:00',
  '2026-11-29',
  '11/29/2026',
  'Nov 29 2026',
  '2026-11-29T25:00:00Z',
  '2026-11-29T04:00:00+25:00',
  '',
]

describe('a date on the command line that nobody meant', () => {
  let database: pg.Client

  before(async () => {
    await millrace('migrate')
    database = testDatabase(address('APP_DATABASE_URL'))
    await database.connect()
  })

  after(() => database.end())

  const written = async (): Promise<number> =>
    Number(
      (
        await database.query(
          `SELECT (SELECT count(*) FROM devices WHERE id LIKE $1) + (SELECT count(*) FROM accounts WHERE name LIKE $1) AS n`,
          [`${run}%`],
        )
      ).rows[0].n,
    )

  it('is refused by every command with exit code 2, names what it got, and nothing is written', async () => {
    const commands = [
      ['devices', 'add', ...place, '--from'],
      ['devices', 'move', ...place, '--at'],
      ['dead', '--from'],
      ['dead', 'export', 'bridge', '--to'],
      ['redrive', 'standardise', '--dry-run', '--from'],
      ['continuity', '--since'],
    ]
    for (const date of dates) {
      const asked = date === '12' ? commands : commands.slice(0, 2)
      for (const command of asked) {
        const names = command[0] === 'devices' ? [`${run}-1`] : []
        const { code, error, output } = await runMillrace([...command.slice(0, -1), `${command.at(-1)}=${date}`, ...names], {
          TZ: 'Europe/Berlin',
        })
        expect([code, output], `${command.join(' ')} ${date}`).to.deep.equal([2, ''])
        expect(error)
          .to.include(JSON.stringify(date))
          .and.to.include('expected a time with its zone')
          .and.not.to.match(/\n {4}at /)
      }
    }
    expect(await written()).to.equal(0)
  }).timeout(120_000)

  it('is shown for what it was taken: a time with its zone is echoed in UTC', async () => {
    const { code, output, error } = await runMillrace(['devices', 'add', ...place, '--from', '2026-11-29T04:00+01:00', `${run}-1`], {
      TZ: 'Europe/Berlin',
    })
    expect([code, error]).to.deep.equal([0, '--from is 2026-11-29T03:00:00.000Z (UTC)\n'])
    expect(output).to.include('1 devices: 1 new')
    const { rows } = await database.query(`SELECT lower(valid) AS since FROM assignments WHERE device_id = $1`, [`${run}-1`])
    expect(rows[0].since.toISOString()).to.equal('2026-11-29T03:00:00.000Z')
  })

  it('is not ignored because another command has such an option', async () => {
    const moved = await runMillrace(['devices', 'move', ...place, '--from', '2026-11-29T04:00Z', `${run}-1`])
    expect(moved.code).to.equal(2)
    expect(moved.error).to.include('expected --at <time>')
    const added = await runMillrace(['devices', 'add', ...place, '--at', '2026-11-29T04:00Z', `${run}-2`])
    expect(added.code).to.equal(2)
    expect(added.error).to.include('expected --from <time>')
  })

  it('is refused if it ends before it begins', async () => {
    const { code, error } = await runMillrace(['dead', '--from', '1h', '--to', '2h'])
    expect(code).to.equal(2)
    expect(error).to.include('--from and --to')
  })
})
