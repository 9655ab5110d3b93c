import { expect } from 'chai'
import { millrace, startService, until } from '../pipeline/service.ts'
import { address, testDatabase } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { runMillrace } from './command.ts'
import { provision, sendMessages } from './messages.ts'
import { openOutcomes } from './outcomes.ts'

const run = `e${Date.now().toString(36)}`
/** What a terminal would obey: C0 but new lines and tabs, DEL, C1, marks of direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

describe('escape sequences that a stranger wrote', () => {
  const device = `${run}-y`
  const { use } = closing()

  it('reach no terminal: dead, dead show and dead export spell them out', async () => {
    await provision(device)
    const outcomes = await use(openOutcomes(['bridge', 'translate']))
    for (const service of [['bridge'], ['run', 'translate']]) await use(startService(...service))
    // Escape sequences in JSON and in a topic; C1, which needs no ESC; text that reads backwards.
    const hostile = ['{"temperature":\u001b]0;owned\u0007\u001b[2J\u001b[31mRED}', '{"\u009b31mtemperature\u202e":1}', '\u009b2J\u001b[2J']
    await sendMessages([
      // {"temperature":␛]0;owned␇␛[2J␛[1mREDx}
      { topic: `devices/${device}/telemetry`, hex: '7b2274656d7065726174757265223a1b5d303b6f776e6564071b5b324a1b5b316d524544787d' },
      ...hostile.map((payload) => ({ topic: `devices/${device}/telemetry`, payload })),
      { topic: `devices/${run}\u202e\u2066x/telemetry`, payload: '{"temperature":1}' },
      { topic: `devices/${device}/status`, payload: '{"state":"\u009b31m\u202e"}' },
    ])
    await until('the dead letters are there', async () => (await outcomes.deadLetters(device)).length === 5)
    const exported = await Promise.all(['bridge', 'translate'].map((processor) => runMillrace(['dead', 'export', processor])))
    const deadLetters = exported
      .map(({ output }) => output.trim())
      .join('\n')
      .split('\n')
      .map((line) => JSON.parse(line) as { topic: string; partition: number; offset: number; source_topic: string; device: string | null })
      .filter(({ source_topic, device: of }) => source_topic.includes(run) || of === device)
    expect(deadLetters).to.have.length(6)
    for (const { output } of exported) expect(output).to.not.match(OBEYED)
    for (const { topic, partition, offset } of deadLetters) {
      const { code, output, error } = await runMillrace(['dead', 'show', `${topic}/${partition}/${offset}`])
      expect(code).to.equal(0)
      expect(output + error).to.not.match(OBEYED)
    }
    expect((await runMillrace(['dead'])).output).to.not.match(OBEYED)
  })

  it('reach no terminal in the name of an account, or in an argument', async () => {
    const names = `\u001b[31m${run}\u009b\u202e\u0007`
    for (const args of [
      ['devices', 'add', '--account', names, '--site', names, device],
      ['devices', 'move', '--account', names, '--site', names, device],
      ['devices', 'list'],
      ['devices', 'add', '--account', 'x', names],
      ['dead', 'show', names],
      ['run', names],
      [names],
    ]) {
      const { output, error } = await runMillrace(args)
      expect(output + error, args.join(' ')).to.not.match(OBEYED)
    }
    const database = testDatabase(address('APP_DATABASE_URL'))
    await database.connect()
    const { rows } = await database.query('SELECT name FROM accounts WHERE name = $1', [names])
    await database.end()
    expect(rows).to.have.length(1)
    expect(await millrace('devices', 'list')).to.include(`\\u001b[31m${run}\\u009b\\u202e\\u0007`)
  })
})
