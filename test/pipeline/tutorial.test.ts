import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { KAFKAJS, openAdmin } from '../../connectors/kafka/client.ts'
import { topicNames } from '../../connectors/kafka/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { copyModules, withoutNpm } from './own-folder.ts'
import { onPlainStack } from './plain-only.ts'
import { freePort, until } from './service.ts'
import { address, testDatabase, testKafka } from './stack-clients.ts'
import { comparable, tutorialSteps } from './tutorial.ts'
import { openTutorialShell, type TutorialShell } from './tutorial-shell.ts'

const PAGE = 'docs/processors.md'
const HEADING = '## 6. In a package of your own\n'
const TOPIC = 'frost-alert.alerts'
const SERVICES = ['bridge', 'standardise', 'translate', 'store', 'watch', 'frost-alert', 'frost-log']

/**
 * What the test does otherwise than a reader, who has one stack that nobody else uses:
 * - MILLRACE and the stack's addresses are those of this run, by the environment;
 * - dist/ is that of this run, so npm does not compile it again; packages come from npm's cache,
 *   and those of Millrace are there already;
 * - the stack is not stopped: other tests go on with it. Neither is what is built built again;
 * - services listen on free ports.
 */
const SUBSTITUTES: Readonly<Record<string, string>> = {
  '"$MILLRACE/deploy/build"': 'test -x "$MILLRACE/deploy/build"',
  '"$MILLRACE/deploy/local/stop"': 'test -x "$MILLRACE/deploy/local/stop"',
}
const env: NodeJS.ProcessEnv = {
  ...withoutNpm(),
  MILLRACE: projectRoot.replace(/\/$/, ''),
  // Without it another stack would be started. A relative one is in the sources.
  MILLRACE_LOCAL: resolve(projectRoot, address('MILLRACE_LOCAL')),
  npm_config_ignore_scripts: 'true',
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
}

onPlainStack(
  'its commands are those of a stack without passwords',
).describe('the tutorial of a processor in a package of one’s own', () => {
  const text = readFileSync(join(projectRoot, PAGE), 'utf8')
  const start = text.indexOf(HEADING)
  let folder: string
  let shell: TutorialShell

  before(async function () {
    this.timeout(60_000)
    await forgetEarlierRuns()
    folder = mkdtempSync(join(tmpdir(), 'millrace-tutorial-'))
    copyModules(folder)
    shell = openTutorialShell({ folder, env, substitutes: SUBSTITUTES })
  })

  after(async function () {
    this.timeout(60_000)
    await shell?.end()
    rmSync(folder, { recursive: true, force: true })
  })

  it('works, word for word', async function () {
    this.timeout(400_000)
    expect(start, `${PAGE} has ${HEADING}`).to.be.greaterThan(0)
    const line = text.slice(0, start).split('\n').length - 1
    const steps = tutorialSteps(text.slice(start))
    expect(steps.filter(({ tag }) => tag === 'run').length).to.be.greaterThan(8)
    const ports = Object.fromEntries(await Promise.all(SERVICES.map(async (name) => [name, await freePort()] as const)))
    const began = Date.now()
    for (const step of steps) {
      const where = `${PAGE}, line ${line + step.line}`
      if (step.tag === 'write') {
        writeFileSync(join(folder, step.file), step.text)
        continue
      }
      if (step.tag === 'edit') {
        const path = join(folder, step.file)
        const parts = readFileSync(path, 'utf8').split(step.old)
        expect(parts.length, `${where}: ${step.file} has this once:\n${step.old}`).to.equal(2)
        writeFileSync(path, parts.join(step.new))
        continue
      }
      const said = await shell.run(step.commands, where, (command) => {
        if (command.endsWith('> millrace.yaml'))
          appendFileSync(join(folder, 'millrace.yaml'), `metrics: { ports: ${JSON.stringify(ports)} }\n`)
      })
      if (step.shows === undefined) continue
      expect(comparable(said), where).to.include(comparable(step.shows))
      for (const [, time = ''] of said.matchAll(/"received":"([^"]*)"/g))
        expect(Date.parse(time), `${where}: a record of this run`).to.be.within(began, Date.now())
    }
  })
})

describe('the steps of a tutorial', () => {
  const fence = (kind: string, text: string): string => `\`\`\`${kind}\n${text}\n\`\`\`\n`

  it('are its commands with what they show, and its edits', () => {
    const page = `Do:\n\n${fence('sh', 'a\nb')}${fence('text', 'c')}\nIn \`x/y.ts\`, replace\n\n${fence('ts', 'old')}\nby\n\n${fence('ts', 'new')}`
    expect(tutorialSteps(page)).to.deep.equal([
      { tag: 'run', line: 3, commands: 'a\nb\n', shows: 'c\n' },
      { tag: 'edit', line: 13, file: 'x/y.ts', old: 'old\n', new: 'new\n' },
    ])
    expect(tutorialSteps(`File \`a.sql\`; in a notebook a cell:\n\n${fence('sql', 'SELECT')}`)).to.deep.equal([
      { tag: 'write', line: 3, file: 'a.sql', text: 'SELECT\n' },
    ])
  })

  it('are refused if a block is none of these: nothing of a tutorial is left out', () => {
    for (const [page, error] of [
      [fence('json', '{}'), 'line 1: a block "json"'],
      [fence('', 'ls'), 'line 1: a block ""'],
      [fence('text', 'said by nobody'), 'line 1: a block "text"'],
      [`In \`x.ts\`, replace\n${fence('ts', 'old')}with\n${fence('ts', 'new')}`, 'line 2: a block "ts"'],
      ['Run\n\n    ls\n', 'line 3: expected code in a block'],
      ['```sh\nls\n', 'line 1: the block has no end'],
    ] as const)
      expect(() => tutorialSteps(page), page).to.throw(Error, error)
  })

  it('compare outputs but for times and places of records', () => {
    const record = (partition: number, ts: string, celsius: number): string =>
      `{"partition":${partition},"offset":0,"received":"2026-11-30T09:55:${ts}.919Z","value":{"ts":17960325${ts}919000,"temperature":${celsius}}}  \n`
    expect(comparable(record(2, '35', -3.5))).to.equal(comparable(record(4, '36', -3.5)))
    expect(comparable(record(2, '35', -3.5))).not.to.equal(comparable(record(2, '35', -3)))
  })
})

/** The names of the tutorial are fixed: its topic and its table are those of an earlier run. */
async function forgetEarlierRuns(): Promise<void> {
  await using admin = openAdmin(testKafka('tutorial'))
  if ((await topicNames(admin)).some((name) => name === TOPIC)) {
    await (await admin[KAFKAJS]()).deleteTopics({ topics: [TOPIC] })
    await until('the topic is gone', async () => !(await topicNames(admin)).some((name) => name === TOPIC))
  }
  const app = testDatabase(address('APP_DATABASE_URL'))
  await app.connect()
  try {
    await app.query('DROP TABLE IF EXISTS frost_log')
    const [known] = (await app.query<{ there: boolean }>("SELECT to_regclass('schema_migration') IS NOT NULL AS there")).rows
    if (known?.there === true) await app.query("DELETE FROM schema_migration WHERE name LIKE 'frost-log/%'")
  } finally {
    await app.end()
  }
}
