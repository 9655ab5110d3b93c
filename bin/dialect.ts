import { readFileSync } from 'node:fs'
import { checkDialects as check } from '../ops/dialect/check.ts'
import { NoDraftError } from '../ops/dialect/draft-parts.ts'
import { allDialectFiles, type ConfiguredDialects, dialectFiles, findDialect, loadDialect } from '../ops/dialect/files.ts'
import { draftName, hear, learn, writeDraft } from '../ops/dialect/learn.ts'
import { tryMessage } from '../ops/dialect/try.ts'
import { visibleLines } from '../processors/visible.ts'
import { DialectError } from '../schemas/dialect.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print, printAll } from './print.ts'
import { stopSignal } from './stop-signal.ts'

interface PayloadOptions {
  readonly payload?: string | undefined
  readonly payloadFile?: string | undefined
  readonly payloadHex?: string | undefined
}

type TryOptions = ConfigOption &
  PayloadOptions & {
    readonly topic: string
    readonly received?: number | undefined
    readonly retained?: true | undefined
    readonly json?: true | undefined
  }

/** `millrace dialect try`: what would come of a message, step by step. */
export async function tryDialect(given: string, options: TryOptions): Promise<number> {
  const payload = readPayload(options)
  const dialect = usable(() => loadDialect(findDialect(given, () => configured(options.config))))
  const receivedMicros = (options.received ?? Date.now()) * 1_000
  const { lines, steps, result, rejected } = tryMessage(dialect, {
    topic: options.topic,
    payload,
    receivedMicros,
    retained: options.retained === true,
  })
  if (options.json === true)
    print(JSON.stringify({ dialect: dialect.name, version: dialect.version, topic: options.topic, ...result, steps }, null, 2))
  else printAll(lines)
  return rejected ? 1 : 0
}

function readPayload({ payload, payloadFile, payloadHex }: PayloadOptions): Buffer {
  if (payloadHex !== undefined) {
    const digits = payloadHex.replace(/\s/g, '')
    if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits))
      throw new UsageError(`--payload-hex: expected pairs of hexadecimal digits, got ${JSON.stringify(payloadHex)}`)
    return Buffer.from(digits, 'hex')
  }
  if (payloadFile !== undefined) return readInput(payloadFile, `--payload-file ${payloadFile}`)
  if (payload === undefined) throw new UsageError('expected one of --payload, --payload-file and --payload-hex')
  return payload === '-' ? readInput(0, 'standard input') : Buffer.from(payload)
}

function readInput(file: string | number, what: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new UsageError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

function configured(file: string | undefined): ConfiguredDialects {
  return loadConfig(process.env, file)
}

/** A dialect that cannot be used is a wrong configuration, and no defect. */
function usable<Result>(load: () => Result): Result {
  try {
    return load()
  } catch (cause) {
    if (cause instanceof DialectError) throw new ConfigError(cause.message, { cause })
    throw cause
  }
}

/** `millrace dialect check [path…]`: dialects, and the examples beside them. */
export async function checkDialects(paths: readonly string[], options: ConfigOption): Promise<number> {
  const files = paths.length > 0 ? dialectFiles(paths) : allDialectFiles(configured(options.config))
  if (files.length === 0) throw new ConfigError(`there is no dialect in ${paths.join(', ')}: expected files that end in .yaml`)
  const { lines, passed, failed } = check(files)
  printAll([...lines, `${passed} passed, ${failed} failed`])
  return failed === 0 ? 0 : 1
}

type LearnOptions = ConfigOption & {
  readonly topic: string
  readonly seconds: number
  readonly out?: string | undefined
  readonly name?: string | undefined
  readonly username?: string | undefined
}

/** `millrace dialect learn`: a draft from what is published. Standard output is for the draft. */
export async function learnDialect({ topic, seconds, out, name, username, config: file }: LearnOptions): Promise<number> {
  const config = loadConfig(process.env, file)
  const say = (text: string): void => void process.stderr.write(`${visibleLines(text)}\n`)
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  const password = process.env.MILLRACE_LEARN_PASSWORD
  say(`listening to ${topic} for ${seconds} s; Ctrl-C ends it and writes what was seen by then`)
  const { observed, ended } = await hear({ env: config.env, filter: topic, seconds, username, password, signal: abort.signal })
  if (ended !== undefined) say(`the connection has ended before the time was over: ${ended}; the draft is of what was heard until then`)
  try {
    const { draft, samples, rejections, ignored, others } = learn(observed, topic, draftName(name ?? out, topic))
    if (out === undefined) printAll(draft.text.trimEnd().split('\n'))
    else for (const path of writeDraft(draft, out)) say(`wrote ${path}`)
    say(
      `${observed.heard} messages heard; the draft makes ${samples} samples of the ${observed.messages.length} that were kept, ignores ${ignored} of them and does not take the topics of ${others}`,
    )
    if (rejections.length > 0)
      say(
        `it would reject:\n${rejections.slice(0, 10).join('\n')}${rejections.length > 10 ? `\n… and ${rejections.length - 10} more` : ''}`,
      )
    return rejections.length === 0 && ended === undefined ? 0 : 1
  } catch (cause) {
    if (!(cause instanceof NoDraftError)) throw cause
    say(cause.message)
    return 1
  }
}
