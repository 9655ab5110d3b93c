import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'
import { UsageError } from './command-line.ts'
import { createProgram, every, inCommand } from './program.ts'

/** What a command line that cannot be used is told. */
async function refused(...args: readonly string[]): Promise<string> {
  const program = createProgram()
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (cause) {
    if (cause instanceof UsageError) return inCommand(program, args, cause.message)
    throw cause
  }
  throw new Error(`${args.join(' ')} was taken`)
}

function run(...args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [`${projectRoot}dist/bin/millrace.js`, ...args], { encoding: 'utf8' })
}

describe('the command line', () => {
  it('says of every command, argument and option what it is for', () => {
    for (const command of every(createProgram())) {
      expect(command.description(), command.name()).to.match(/\.$|`$/)
      for (const option of command.options) expect(option.description, `${command.name()} ${option.flags}`).to.not.equal('')
      if (command.name() !== 'fleet' && command.name() !== 'help')
        for (const argument of command.registeredArguments)
          expect(argument.description, `${command.name()} ${argument.name()}`).to.not.equal('')
    }
  })

  for (const [args, ...parts] of [
    [['lagg'], '"lagg"', 'lag', 'devices', 'see `millrace --help`'],
    [['--config', 'x', 'lag'], '"--config"', 'see `millrace --help`'],
    [['lag', '--confi', 'x'], 'lag: ', '"--confi"', 'expected --config <file>, --over <duration>', 'see `millrace lag --help`'],
    [['lag', 'x\u001b'], 'expected no argument, got "x\\u001b"', 'see `millrace lag --help`'],
    [['lag', '--config'], '--config <file>', 'missing'],
    [
      ['devices'],
      'devices: expected add, import, move, swap, history, via, silent-after, list, rotate, revoke, credentials, authority or broker-files',
      'see `millrace devices --help`',
    ],
    [
      ['devices', 'remove', 'x'],
      '"remove"',
      'expected add, import, move, swap, history, via, silent-after, list, rotate, revoke, credentials, authority or broker-files',
    ],
    [['devices', 'add', '--account', 'a'], '"id"', 'see `millrace devices add --help`'],
    [['devices', 'add', 'x'], '--account <name>'],
    [['devices', 'move', '--account', 'a', '--from', '2h', 'x'], '"--from"', 'expected --at <time>'],
    [['dead', '--from', 'yesterday'], '--from: expected a time with its zone', '"yesterday"'],
    [['dead', 'standardise', 'store'], 'expected <processor>, got "standardise" "store"'],
    [['dead', '--device', '--reason', 'x'], '--device: expected a value, got the option "--reason"'],
    [['redrive', 'store', '--rate', '0'], '--rate: expected a number above 0, got "0"'],
    [['redrive', 'store', '--max-attempts', '1.5'], '--max-attempts: expected a whole number above 0, got "1.5"'],
    [['topics', '--partitions', '0x10'], '--partitions: expected a whole number above 0, got "0x10"'],
    [['migrate-table', 't', '--map', 'temp'], '--map: expected OWN=OURS, as in temp=temperature, got "temp"'],
    [['migrate-table', 't', '--map', 'a=b', '--map', 'a=c'], '--map: column "a" is given twice'],
    [['migrate-table', 't', '--key', 'id,'], '--key: expected columns, as in device,time, got "id,"'],
    [['migrate-table', 't', '--undo', '--finish'], '"--undo"', '"--finish"'],
    [
      ['help', 'devices', 'sell'],
      '"sell"',
      'add, import, move, swap, history, via, silent-after, list, rotate, revoke, credentials, authority',
    ],
  ] as const)
    it(`refuses \`${args.join(' ').replace('\u001b', '␛')}\` in one line that says what was expected and where help is`, async () => {
      const problem = await refused(...args)
      expect(problem).to.not.include('\n')
      for (const part of parts) expect(problem.replaceAll("'", '"')).to.include(part)
    })

  it('exits with 2 then, and with 0 if help was asked for, in any of three ways', () => {
    const { status, stdout, stderr } = run('lag', '--confi\u001bg')
    expect([status, stdout]).to.deep.equal([2, ''])
    expect(stderr)
      .to.match(/^millrace: lag: [^\n]+\n$/)
      .and.to.not.include('\u001b')
    for (const args of [
      ['devices', 'add', '--help'],
      ['devices', 'add', '-h'],
      ['help', 'devices', 'add'],
    ]) {
      const helped = run(...args)
      expect([helped.status, helped.stderr], args.join(' ')).to.deep.equal([0, ''])
      expect(helped.stdout).to.include('Usage: millrace devices add').and.to.include('--account <name>')
    }
  }).timeout(60_000)

  it('loads none of the commands before it knows which: a service does not pay for the others', () => {
    const reached = new Set<string>()
    const walk = (file: string): void => {
      if (reached.has(file)) return
      reached.add(file)
      for (const [, imported] of readFileSync(join(projectRoot, file), 'utf8').matchAll(/^import (?!type )[^']*'(\.[^']+)'$/gm))
        walk(join(dirname(file), imported as string))
    }
    walk('bin/millrace.ts')
    const light =
      /^bin\/(millrace|program|command-line|node-version|dead-letter-options|row-options|[\w-]+\.command)\.ts$|^processors\/(visible|when|address)\.ts$|^services\/(secrets|secret-files)\.ts$/
    expect([...reached].filter((file) => !light.test(file))).to.deep.equal([])
    expect(reached).to.include('bin/redrive.command.ts')
  })
})
