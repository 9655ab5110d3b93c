import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { roleName } from '../../connectors/postgres/grant-roles.ts'
import { migrateApp, migrateRoles } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { ROLES } from '../../connectors/postgres/roles.ts'
import { projectRoot } from '../../schemas/files.ts'
import { closing } from '../adversary/closing.ts'
import { type DeviceBroker, openDeviceBroker } from './device-broker.ts'
import { letIn, type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { testDatabase } from './stack-clients.ts'

const prefix = `identity_${randomBytes(4).toString('hex')}`

describe('the identity of devices, asked for by EMQX', function () {
  this.timeout(120_000)
  const { use, atEnd } = closing()
  let database: ScratchDatabase
  /** It does not run: only its commands are used. */
  let broker: DeviceBroker
  let password = ''

  before(async () => {
    atEnd(async () => {
      await using server = await scratchDatabase('APP_DATABASE_URL')
      for (const role of ROLES) await server.query(`DROP ROLE IF EXISTS ${roleName(prefix, role)}`)
    })
    database = await use(scratchDatabase('APP_DATABASE_URL'))
    await migrateApp({ url: database.url, migrations: await readMigrations(`${projectRoot}db/app`) })
    await migrateRoles(database.url, { database: 'app', prefix })
    await letIn(database, roleName(prefix, 'broker'))
    broker = await use(openDeviceBroker(database.url))
    // Nobody's session is to be ended at a broker that does not run.
    const config = readFileSync(broker.config, 'utf8').replace(/ *brokers: .*\n/, '')
    writeFileSync(broker.config, config)
    await broker.devices('authority')
    const add = ['add', '--account', 'bees']
    await broker.devices(...add, '--certificate', '--out', join(broker.folder, 'out'), 'cert', 'gone')
    await broker.devices('rotate', '--certificate', '--out', join(broker.folder, 'out'), 'cert')
    await broker.devices('revoke', 'gone')
    password = (await broker.devices(...add, '--password', 'pass')).output.trim().split('\t')[1] ?? ''
  })

  const page = readFileSync(`${projectRoot}docs/device-identity.md`, 'utf8')
  const [authentication = '', authorization = ''] = [...page.matchAll(/query = "(SELECT [^"]*)"/g)].map(([, query = '']) =>
    // EMQX makes parameters of its placeholders, as here.
    query.replaceAll(/\$\{username\}/g, '$1').replaceAll(/\$\{clientid\}/g, '$2'),
  )

  async function asBroker(query: string, ...values: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const address = new URL(database.url)
    address.username = roleName(prefix, 'broker')
    const client = testDatabase(address.href)
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(query, [...values])).rows
    } finally {
      await client.end()
    }
  }

  it('finds the password that was issued, for its own client ID, with the query of the documentation', async () => {
    const me = 'pass'
    const [row] = await asBroker(authentication, me, me)
    expect(pbkdf2Sync(password, String(row?.salt), 1, 64, 'sha512').toString('hex')).to.equal(row?.password_hash)
    expect(row?.is_superuser).to.equal(false)
    expect(await asBroker(authentication, me, 'another')).to.deep.equal([])
  })

  it('gives rights to those with a good credential, a certificate or a password, and to nobody who was revoked', async () => {
    const rights = [
      ['publish', 'telemetry'],
      ['publish', 'status'],
      ['subscribe', 'commands'],
    ] as const
    for (const device of ['cert', 'pass'])
      expect(await asBroker(authorization, device)).to.have.deep.members(
        rights.map(([action, level]) => ({ permission: 'allow', action, topic: `devices/${device}/${level}` })),
      )
    for (const device of ['gone', 'millrace-bridge']) expect(await asBroker(authorization, device)).to.deep.equal([])
  })

  it('is a role that may read these views, and nothing behind them', async () => {
    const good = await asBroker('SELECT good FROM broker_certificates WHERE username = $1 ORDER BY issued_at', 'cert')
    expect(good).to.deep.equal([{ good: false }, { good: true }])
    for (const statement of [
      'SELECT FROM device_credentials',
      'SELECT FROM devices',
      'DELETE FROM broker_passwords',
      'UPDATE device_authority SET certificate = $$$$',
    ])
      await asBroker(statement).then(
        () => expect.fail(`${statement} is allowed`),
        (cause: { code?: string }) => expect(cause.code, statement).to.equal('42501'),
      )
  })
})
