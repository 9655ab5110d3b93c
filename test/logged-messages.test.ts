import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../schemas/files.ts'

type Level = 'warn' | 'error'

/** A call of the log: its message, or undefined if it is no literal. */
interface Call {
  readonly file: string
  readonly level: Level
  readonly message: string | undefined
}

/** Calls whose message is made elsewhere, by file: where, and how often. */
const COMPUTED: Readonly<Record<string, readonly string[]>> = {
  'services/bridge/session-watch.ts': [
    'services/bridge/session-watch.ts',
    'services/bridge/session-watch.ts',
    'services/bridge/session-watch.ts',
  ],
  'services/processor/service.ts': ['services/registered.ts'],
  'connectors/postgres/readings-sink.ts': ['connectors/postgres/readings-check.ts'],
}

const CALL = /\blog\??\.(warn|error)\(\s*(?:(['"`])((?:\\.|(?!\2)[\s\S])*)\2)?/g
const HEADINGS: Readonly<Record<Level, string>> = { warn: '## Warnings', error: '## Errors' }

/** As the page has it: what is filled in is an ellipsis. */
function shown(message: string): string {
  return message.replace(/\\(.)/g, '$1').replace(/\$\{[^}]*\}/g, '…')
}

function read(file: string): string {
  return readFileSync(join(projectRoot, file), 'utf8')
}

function calls(file: string): readonly Call[] {
  return [...read(file).matchAll(CALL)].map(([, level, , text]) => ({
    file,
    level: level as Level,
    message: text === undefined ? undefined : shown(text),
  }))
}

const sources = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: projectRoot,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((file) => !/\.test\.ts$|^(test|examples)\//.test(file))

describe('docs/logs.md', () => {
  const page = read('docs/logs.md')
  const rows = (level: Level): readonly string[] => {
    const [, section = ''] = page.split(`${HEADINGS[level]}\n`)
    return [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (`+)(.+?)\1 \| \S/gm)].map(([, , message]) => message as string)
  }
  const found = sources.flatMap(calls)

  for (const level of ['warn', 'error'] as const)
    it(`has each ${level} of the sources, and what to do`, () => {
      const logged = found.flatMap((call) => (call.level === level && call.message !== undefined ? [call.message] : []))
      expect(logged.filter((message) => !rows(level).includes(message))).to.deep.equal([])
    })

  it('has no message that nobody writes', () => {
    const elsewhere = Object.values(COMPUTED)
      .flat()
      .map((file) => shown(read(file)))
    for (const level of ['warn', 'error'] as const) {
      const logged = new Set(found.filter((call) => call.level === level).map(({ message }) => message))
      const gone = rows(level).filter((message) => !logged.has(message) && !elsewhere.some((text) => text.includes(message)))
      expect(gone, level).to.deep.equal([])
    }
  })

  it('knows where messages are made that no call has as a literal', () => {
    const computed = found.filter(({ message }) => message === undefined).map(({ file }) => file)
    const known = Object.entries(COMPUTED).flatMap(([file, made]) => made.map(() => file))
    expect(computed.toSorted()).to.deep.equal(known.toSorted())
  })

  it('has each message once', () => {
    for (const level of ['warn', 'error'] as const) expect(rows(level)).to.deep.equal([...new Set(rows(level))])
  })
})
