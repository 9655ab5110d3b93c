import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { withPasswords } from './password-files.ts'
import { PasswordFileError } from './secret-files.ts'

describe('passwords in files', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-passwords-'))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  const file = (text: string, name = 'password'): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  it('are taken without the end of their line', () => {
    for (const [text, password] of [
      ['secret\n', 'secret'],
      ['secret', 'secret'],
      [' se cret \r\n', ' se cret '],
    ] as const)
      expect(withPasswords({ KAFKA_PASSWORD_FILE: file(text), MQTT_USERNAME: 'u' }).KAFKA_PASSWORD).to.equal(password)
  })

  it('are refused if they are given twice, are not there, or are no line: the file is named, and nothing of it', () => {
    const env = { MQTT_USERNAME: 'u' }
    expect(() => withPasswords({ ...env, MQTT_PASSWORD: 'secret', MQTT_PASSWORD_FILE: file('secret') })).to.throw(
      PasswordFileError,
      'one of the two',
    )
    expect(() => withPasswords({ ...env, MQTT_PASSWORD_FILE: join(folder, 'none') })).to.throw(
      PasswordFileError,
      'MQTT_PASSWORD_FILE: ENOENT',
    )
    for (const text of ['', '\n', 'secret\nsecret\n'])
      expect(() => withPasswords({ ...env, MQTT_PASSWORD_FILE: file(text) }))
        .to.throw(PasswordFileError, folder)
        .that.has.property('message')
        .that.does.not.include('secret\n')
  })

  it('of the local stack is the default for its broker, and for no other', () => {
    mkdirSync(join(folder, 'data', 'mosquitto'), { recursive: true })
    file('local\n', 'data/mosquitto/bridge.password')
    const password = (env: NodeJS.ProcessEnv): string | undefined => withPasswords({ MILLRACE_LOCAL: folder, ...env }).MQTT_PASSWORD
    expect(password({})).to.equal('local')
    expect(password({ MQTT_URL: 'mqtt://127.0.0.1:1234' })).to.equal('local')
    expect(password({ MQTT_PASSWORD: 'mine' })).to.equal('mine')
    for (const env of [
      { MQTT_URL: 'mqtt://broker.example' },
      { MQTT_URL: 'mqtt://u:p@127.0.0.1' },
      { MQTT_USERNAME: 'u' },
      { MQTT_URL: 'x' },
    ])
      expect(password(env)).to.equal(undefined)
    expect(withPasswords({ MILLRACE_LOCAL: join(folder, 'elsewhere') }).MQTT_PASSWORD).to.equal(undefined)
  })
})
