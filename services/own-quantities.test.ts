import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'
import { ConfigError, loadConfig } from './config.ts'
import { declareConfiguredQuantities } from './own-quantities.ts'

const FIELD = { name: 'bee_traffic', type: ['null', 'double'], default: null, unit: '/min', minimum: 0, maximum: 10_000, doc: 'Bees out.' }

describe("the file of a deployment's quantities", () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-quantities-'))
  const config = join(folder, 'millrace.yaml')

  after(() => rmSync(folder, { recursive: true }))

  /** @param file absent if there is none */
  function write(setting: string, file: string | undefined): void {
    writeFileSync(config, setting)
    rmSync(join(folder, 'own.avsc'), { force: true })
    if (file !== undefined) writeFileSync(join(folder, 'own.avsc'), file)
  }
  const fileOf = (...fields: readonly object[]): string => JSON.stringify({ type: 'record', name: 'Own', fields })

  it('is found beside the configuration, and its quantities are there before the code that uses them is loaded', () => {
    write('quantities: own.avsc', fileOf(FIELD))
    // It asks no service.
    const message = ['--topic', 'devices/hive/telemetry', '--payload', '{"ts":"2026-11-29T03:30:04Z","bee_traffic":12}']
    const args = [`${projectRoot}dist/bin/millrace.js`, 'dialect', 'try', 'millrace-json', ...message, '--config', config]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(stdout + stderr).to.contain('bee_traffic 12 /min')
    expect(status).to.equal(0)
  })

  for (const [why, file, expected] of [
    [
      'a field that cannot be used',
      fileOf({ ...FIELD, unit: 'bees' }),
      /own\.avsc: field bee_traffic: unit: expected a UCUM code, .*, got "bees"$/,
    ],
    ['no file', undefined, /millrace\.yaml: quantities: expected a file that can be read, got .*own\.avsc: ENOENT/],
    ['no JSON', '{', /own\.avsc: expected JSON: /],
  ] as const)
    it(`is refused with its name and what was expected: ${why}`, () => {
      write('quantities: ./own.avsc', file)
      expect(() => declareConfiguredQuantities({}, config)).to.throw(ConfigError, expected)
    })

  it('is refused if it is named by no text, as other settings are', () => {
    write('quantities: [own.avsc]', fileOf(FIELD))
    expect(() => loadConfig({}, config)).to.throw(ConfigError, /millrace\.yaml: quantities: .*expected string/)
  })

  it('is not left out in silence by a program that has not declared it', () => {
    write('quantities: own.avsc', fileOf(FIELD))
    expect(() => loadConfig({}, config)).to.throw('the quantities of own.avsc were not declared')
  })
})
