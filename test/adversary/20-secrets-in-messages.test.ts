import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { forAllUsers } from '../pipeline/database-users.ts'
import { freePort, until } from '../pipeline/service.ts'
import { withoutCredentials } from '../pipeline/stack-clients.ts'
import { runMillrace } from './command.ts'

const SECRET = 's3cr-et'
/** Nothing listens there. */
const NOWHERE = '127.0.0.1:1'

describe('a secret of the environment', () => {
  for (const [what, args, env, code] of [
    ['of a database with a # in it', ['migrate'], { TELEMETRY_DATABASE_URL: `postgres://millrace:${SECRET}#t@${NOWHERE}/telemetry` }, 2],
    ['of a database that is down', ['migrate'], { TELEMETRY_DATABASE_URL: `postgres://millrace:${SECRET}@${NOWHERE}/telemetry` }, 1],
    ['of a database, as a parameter', ['devices', 'list'], { APP_DATABASE_URL: `postgres://${NOWHERE}/app?user=u&password=${SECRET}` }, 1],
    ['of the registry that is down', ['schemas', 'check'], { REGISTRY_URL: `http://user:${SECRET}@${NOWHERE}/apis/ccompat/v7` }, 1],
    ['of the broker with a wrong escape', ['bridge'], { MQTT_URL: `mqtt://u:${SECRET}%zz@${NOWHERE}` }, 2],
    ['of the broker without a user', ['bridge'], { MQTT_URL: `mqtt://:${SECRET}@${NOWHERE}` }, 2],
    ['of the broker for another user', ['bridge'], { MQTT_URL: `mqtt://u:${SECRET}@${NOWHERE}`, MQTT_USERNAME: 'v' }, 2],
    ['of Kafka within the address', ['lag'], { KAFKA_BROKERS: `u:${SECRET}@${NOWHERE}` }, 2],
    ['of Kafka without a user', ['lag'], { KAFKA_PASSWORD: SECRET }, 2],
    ['that Kafka misses', ['lag'], { KAFKA_USERNAME: 'millrace' }, 2],
  ] as const)
    it(`${what} is not in what the command says`, async () => {
      const { code: exit, output, error } = await runMillrace(args, { ...withoutCredentials(), ...env })
      expect(output + error).to.not.include(SECRET)
      expect(error).to.match(/^millrace: [^\n]+\n$/)
      expect(exit, error).to.equal(code)
    })

  it('is in neither log nor health of a service that waits', async function () {
    this.timeout(60_000)
    const folder = mkdtempSync(join(tmpdir(), 'millrace-secrets-'))
    const port = await freePort()
    const config = join(folder, 'millrace.yaml')
    writeFileSync(config, `metrics: { ports: ${port} }\n`)
    try {
      // A service asks one after the other: with the registry away it does not get as far as Kafka.
      const away = { KAFKA_BROKERS: NOWHERE, KAFKA_USERNAME: 'u', KAFKA_PASSWORD: SECRET }
      const services = [['bridge'], ['run', 'standardise'], ['store']]
      for (const [kafka, args, told] of services.flatMap((each) => [[away, each, NOWHERE] as const, [{}, each, 'registry'] as const])) {
        const child = spawn(`${projectRoot}bin/millrace`, [...args, '--config', config], {
          env: {
            ...process.env,
            ...withoutCredentials(),
            MQTT_URL: `mqtt://u:${SECRET}@${NOWHERE}`,
            ...kafka,
            REGISTRY_URL: `http://u:${SECRET}@${NOWHERE}/`,
            ...forAllUsers({
              TELEMETRY_DATABASE_URL: `postgres://u:${SECRET}@${NOWHERE}/telemetry`,
              APP_DATABASE_URL: `postgres://u:${SECRET}@${NOWHERE}/app`,
            }),
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let log = ''
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += String(chunk)))
        let health = ''
        await until(`${args.join(' ')} says what it waits for`, async () => {
          health = await fetch(`http://127.0.0.1:${port}/health`).then(
            (response) => response.text(),
            () => '',
          )
          return (
            Object.keys((JSON.parse(health === '' ? '{}' : health) as { problems?: object }).problems ?? {}).length > 1 &&
            log.includes(told)
          )
        })
        child.kill()
        await new Promise((resolve) => child.once('exit', resolve))
        expect(log + health).to.not.include(SECRET)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
