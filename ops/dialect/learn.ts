import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { listen } from '../../connectors/mqtt/listen.ts'
import { compileDialect } from '../../processors/translate/dialect.ts'
import type { RawMessage } from '../../processors/translate/translation.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { type Draft, draftDialect } from './draft.ts'
import { exampleText } from './example.ts'
import { Observations, type Observed } from './observed.ts'
import { translateMessage } from './translated.ts'

export interface HearOptions {
  readonly env: Config['env']
  readonly filter: string
  readonly seconds: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly signal: AbortSignal
}

/** What was heard, and why the listening ended before its time, if it did. */
export interface Heard {
  readonly observed: Observed
  readonly ended: string | undefined
}

/**
 * Listens on the broker, as a client of its own: neither with the client ID nor as the user of the
 * bridge, whose session it would end (docs/broker.md). Its certificate is not used either, since a
 * broker may take the user from it.
 * @throws ConnectorError if the broker cannot be reached, or refuses
 * @throws ConfigError if the user is the bridge's
 */
export async function hear({ env, filter, seconds, username, password, signal }: HearOptions): Promise<Heard> {
  if (username !== undefined && username === bridgeUser(env))
    throw new ConfigError(
      `--username: expected another user than the bridge's, ${username}: a broker that ties client IDs to users would end the bridge's session`,
    )
  const observations = new Observations()
  await using listener = await listen({
    url: env.MQTT_URL,
    tls: { caFile: env.MQTT_CA_FILE },
    username,
    password,
    clientId: `millrace-learn-${randomBytes(4).toString('hex')}`,
    filter,
    onPublish: ({ topic, payload, retain, receivedMs }) =>
      observations.add({ topic, payload, retained: retain, receivedMicros: receivedMs * 1_000 }),
  })
  const time = new AbortController()
  const stop = AbortSignal.any([signal, time.signal])
  const waiting = delay(seconds * 1_000, undefined, { signal: stop }).then(
    () => undefined,
    () => undefined,
  )
  const ended = await Promise.race([waiting, listener.ended])
  time.abort()
  await waiting
  return { observed: observations.observed(), ended }
}

function bridgeUser({ MQTT_URL, MQTT_USERNAME }: Config['env']): string {
  const { username } = new URL(MQTT_URL)
  return MQTT_USERNAME ?? (username === '' ? 'millrace-bridge' : decodeURIComponent(username))
}

/** What was learned, and what its draft makes of the messages. */
export interface Lesson {
  readonly draft: Draft
  readonly samples: number
  readonly rejections: readonly string[]
  readonly ignored: number
  /** Messages of topics that the draft does not take. */
  readonly others: number
}

/**
 * Writes the draft, and tries it on every message that it was made of.
 * @throws NoDraftError if there is nothing to learn from
 */
export function learn(observed: Observed, filter: string, name: string): Lesson {
  const draft = draftDialect(observed, filter, name)
  const dialect = compileDialect(parseDialect(draft.text, 'the draft'))
  const lesson = { samples: 0, ignored: 0, others: 0, rejections: new Set<string>() }
  for (const message of observed.messages) {
    const result = translateMessage(dialect, message)
    if (result.tag !== 'telemetry') {
      if (result.tag === 'no-topic') lesson.others++
      continue
    }
    lesson.samples += result.samples.length
    if (result.ignored !== null) lesson.ignored++
    for (const { reason, detail } of result.rejections) lesson.rejections.add(`${message.topic}: ${reason}: ${detail}`)
  }
  return { draft, samples: lesson.samples, ignored: lesson.ignored, others: lesson.others, rejections: [...lesson.rejections] }
}

/**
 * Writes the dialect, and an example beside it for each kind of message.
 * @returns the files
 * @throws ConfigError if the file is there already: somebody may have corrected it
 */
export function writeDraft({ name, text, examples }: Draft, file: string): readonly string[] {
  if (existsSync(file)) throw new ConfigError(`--out: there is a file ${file} already: expected another name`)
  const dialect = compileDialect(parseDialect(text, file))
  const folder = join(dirname(file), 'examples')
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, text, { flag: 'wx' })
  const paths = examples.map((message: RawMessage, index) => {
    const path = join(folder, `${name}-${index + 1}.json`)
    writeFileSync(path, exampleText(dialect, message))
    return path
  })
  return [file, ...paths]
}

/** The name of the dialect in a file: `./dialects/tele.yaml` has tele. */
export function draftName(file: string | undefined, filter: string): string {
  const given = file === undefined ? filter : basename(file).replace(/\.ya?ml$/, '')
  const name = given
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
  return name === '' ? 'learned' : name
}
