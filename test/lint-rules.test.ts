import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

const ONE_WAY = 'Imports go one way'
const CONNECTORS = 'Connectors do not import one another'
const PURE = 'Processors and schemas are pure'
const GLOBAL = 'Do not use the global variable'
const KAFKAJS = 'kafkajs is for connectors/kafka alone'
const KEY = 'What is behind this key is for connectors/kafka alone'
const MQTT = 'mqtt is for connectors/mqtt alone'
const PG = 'pg is for connectors/postgres alone'
const MARKUP = 'Nothing reads text as markup'
const CYCLE = 'This import is part of a cycle'

/** A line, the folder that it is in, and what it is refused for. */
const broken: readonly (readonly [folder: string, line: string, message: string])[] = [
  ['schemas', "import '../processors/x.ts'", ONE_WAY],
  ['schemas', "import '../bin/x.ts'", ONE_WAY],
  ['processors/store', "import '../../connectors/contract.ts'", ONE_WAY],
  ['processors', "export { x } from '../services/x.ts'", ONE_WAY],
  ['connectors/kafka', "import type { Config } from '../../services/config.ts'", ONE_WAY],
  ['services', "const x = await import('../ops/lag/lags.ts')", ONE_WAY],
  ['services/store', "import '../../bin/print.ts'", ONE_WAY],
  ['ops/lag', "import '../../bin/print.ts'", ONE_WAY],
  ['kit', "import '../ops/lag/lags.ts'", ONE_WAY],
  ['services', "import '../kit/processor.ts'", ONE_WAY],
  ['processors/store', "import '../../kit/processor.ts'", ONE_WAY],
  ['connectors/kafka', "import '../postgres/session.ts'", CONNECTORS],
  ['connectors/mqtt', "import '../registry/registry.ts'", CONNECTORS],
  ['processors', "import { readFileSync } from 'node:fs'", PURE],
  ['processors', "import { env } from 'node:process'", PURE],
  ['schemas', "import { setTimeout as delay } from 'node:timers/promises'", PURE],
  ['processors/standardise', "import { performance as clock } from 'node:perf_hooks'", PURE],
  ['processors', 'const now = Date.now()', PURE],
  ['processors', 'const now = new Date()', PURE],
  ['processors', 'const clock = Date.now', PURE],
  ['processors', 'const chance = Math.random()', PURE],
  ['processors', 'const at = performance.now()', GLOBAL],
  ['processors', 'setTimeout(() => undefined, 1)', GLOBAL],
  ['processors', 'setInterval(() => undefined, 1)', GLOBAL],
  ['processors', 'setImmediate(() => undefined)', GLOBAL],
  ['processors/bridge', 'const home = process.env.HOME', GLOBAL],
  ['processors', 'const clock = globalThis.performance', GLOBAL],
  ['schemas', 'const now = Date.now()', PURE],
  ['schemas', 'const home = process.env.HOME', GLOBAL],
  ['services', "import { Kafka } from 'kafkajs'", KAFKAJS],
  ['ops/redrive', "import type { Admin } from 'kafkajs'", KAFKAJS],
  ['connectors/mqtt', "import retry from 'kafkajs/src/retry/index.js'", KAFKAJS],
  ['services', "import { Kafka } from '../connectors/kafka/kafkajs.ts'", KAFKAJS],
  ['services', 'const admin = kafka[KAFKAJS].admin()', KEY],
  ['services', "const kafkajs = await import('kafkajs')", KAFKAJS],
  ['examples/frost-alert', "import '../../services/kafka.ts'", ONE_WAY],
  ['examples/frost-alert', 'const now = Date.now()', PURE],
  ['examples/frost-alert', 'const home = process.env.HOME', GLOBAL],
  ['bin', "import mqtt from 'mqtt'", MQTT],
  ['connectors/kafka', "import type { Packet } from 'mqtt-packet'", MQTT],
  ['ops', "import pg from 'pg'", PG],
  ['services/store', "import { from } from 'pg-copy-streams'", PG],
  ['ops/page/public', "document.body.innerHTML = ''", MARKUP],
  ['ops/page/public', "document.body.outerHTML = ''", MARKUP],
  ['ops/page/public', "document.body.insertAdjacentHTML('beforeend', '')", MARKUP],
  ['ops/page/public', "document.write('')", MARKUP],
  ['ops/page/public', "new DOMParser().parseFromString('', 'text/html')", MARKUP],
]

/** What looks like it, and is nobody's business. */
const fine: readonly (readonly [folder: string, line: string])[] = [
  ['bin', "import '../ops/lag/lags.ts'"],
  ['ops', "import '../kit/processor.ts'"],
  ['kit', "import '../services/processor/engine.ts'"],
  ['services', "import '../processors/topics.ts'"],
  ['connectors/kafka', "import '../contract.ts'"],
  ['connectors/kafka', "import { Kafka } from 'kafkajs'"],
  ['connectors/mqtt', "import mqtt from 'mqtt'"],
  ['connectors/postgres', "import { from } from 'pg-copy-streams'"],
  ['test/chaos', "import pg from 'pg'"],
  ['processors', 'const then = new Date(0)'],
  ['processors', "import { createHash } from 'node:crypto'"],
  ['processors', 'const run = (process: () => void): void => process()'],
  ['schemas', "import { readFileSync } from 'node:fs'"],
  ['services', 'const now = Date.now()'],
  ['examples/frost-alert', "import '../../processors/contract.ts'"],
  ['ops/page/public', "document.body.textContent = '<b>'"],
  ['bin', "process.stdout.write('')"],
]

describe('the rules that lint enforces', () => {
  let copy: string
  /** What lint says of each file. */
  let said: ReadonlyMap<string, string>

  const file = (folder: string, index: number): string => `${folder}/rule-${index}.ts`

  before(function () {
    this.timeout(120_000)
    copy = mkdtempSync(join(tmpdir(), 'millrace-lint-'))
    for (const path of ['biome.json', 'test/lint']) cpSync(join(projectRoot, path), join(copy, path), { recursive: true })
    symlinkSync(join(projectRoot, 'node_modules'), join(copy, 'node_modules'))
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      writeFileSync(join(copy, path), `${text}\n`)
    }
    for (const [index, [folder, line]] of [...broken, ...fine].entries()) write(file(folder, index), line)
    write('services/one.ts', "import { two } from './two.ts'\nexport const one = (): number => two()")
    write('services/two.ts', "import { one } from './one.ts'\nexport const two = (): number => one()")
    const { stdout, stderr } = spawnSync(
      'node_modules/.bin/biome',
      [
        'lint',
        '--reporter=github',
        '--max-diagnostics=none',
        '--vcs-enabled=false',
        ...['bin', 'ops', 'kit', 'services', 'connectors', 'processors', 'schemas', 'examples', 'test'],
      ],
      { cwd: copy, encoding: 'utf8' },
    )
    const found = new Map<string, string>()
    for (const [, path = '', message = ''] of stdout.matchAll(/^::error .*?file=([^,]+),.*?::(.*)$/gm))
      found.set(path, (found.get(path) ?? '') + message)
    if (found.size === 0) throw new Error(`biome said nothing: ${stdout}${stderr}`)
    said = found
  })

  after(() => rmSync(copy, { recursive: true, force: true }))

  for (const [index, [folder, line, message]] of broken.entries())
    it(`refuse \`${line}\` in ${folder}`, () => expect(said.get(file(folder, index))).to.include(message))

  it('refuse an import that comes back to where it began', () => {
    for (const path of ['services/one.ts', 'services/two.ts']) expect(said.get(path)).to.include(CYCLE)
  })

  for (const [index, [folder, line]] of fine.entries())
    it(`take \`${line}\` in ${folder}`, () => expect(said.get(file(folder, broken.length + index)) ?? '').to.equal(''))
})
