import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createRedactor } from './secrets.ts'

describe('what is taken out of what people read', () => {
  const redact = createRedactor({
    MQTT_PASSWORD: 'tide"pool\\9',
    KAFKA_PASSWORD: 'short',
    TELEMETRY_DATABASE_URL: 'postgres://millrace:s3cr#t@127.0.0.1:5433/telemetry',
    REGISTRY_URL: 'http://user:p%40ss%2Fword@127.0.0.1:1/apis',
    HOME: '/root',
    EMPTY_PASSWORD: '',
  })

  it('is the user and password of any address', () => {
    expect(redact('asking http://who:knows@elsewhere/x')).to.equal('asking http://…@elsewhere/x')
  })

  it('is each secret of the environment, however it is written', () => {
    for (const text of [
      'tide"pool\\9',
      JSON.stringify({ p: 'tide"pool\\9' }),
      'short',
      's3cr#t',
      'p@ss/word',
      'p%40ss%2Fword',
      'p%40ss%2Fword'.toString(),
    ])
      expect(redact(`refused: ${text}.`))
        .to.match(/^refused: .*….*\.$/)
        .and.not.match(/tide|pool|short|s3cr|ss/)
    expect(redact(`Basic ${Buffer.from('user:p@ss/word').toString('base64')}`)).to.equal('Basic …')
  })

  it('is each secret in a file that the environment names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-secrets-'))
    const [password, address] = [join(folder, 'password'), join(folder, 'address')]
    writeFileSync(password, 'from-a-file\n')
    writeFileSync(address, 'postgres://store:in-an-address@host/db\n')
    const found = createRedactor({
      KAFKA_STORE_PASSWORD_FILE: password,
      APP_STORE_URL_FILE: address,
      APP_WATCH_URL_FILE: join(folder, 'none'),
    })
    rmSync(folder, { recursive: true })
    expect(found('refused from-a-file and in-an-address')).to.equal('refused … and …')
  })

  it('is nothing else', () => {
    expect(redact('user millrace of telemetry in /root, a@b')).to.equal('user millrace of telemetry in /root, a@b')
  })
})
