import type { Dialect, TextRule } from '../../schemas/dialect.ts'
import { atSite, type Site } from '../../schemas/parse-dialect.ts'
import { parseDeviceId } from '../contract.ts'
import { type Codec, CodecError } from './codecs/codec.ts'
import { codecs } from './codecs/codecs.ts'
import { compileConditions, compileOrigin, compileText, isOfNames, originText, type ReadText, textOf } from './origin.ts'
import { ignored, Pass, whole } from './pass.ts'
import { compileRule } from './rule.ts'
import { type Scope, TooManyRecords } from './scope.ts'
import { shownValue } from './shown-value.ts'
import type { CompiledDialect, DialectStatus } from './translation.ts'

/**
 * Compiles a dialect to what translates its messages.
 *
 * Its rules are tried one after the other on each record, and each value goes to the first rule
 * that finds it: a later rule takes what the ones before it have left. So a rule for a special kind
 * of record stands before the one for all others, and three rules may take the three phases that
 * one object has side by side.
 *
 * A sample without a time gets the moment of receipt. If records are moments in time (their time is
 * looked for in the record, or nowhere), the n-th record of a rule gets n microseconds more, so
 * that they are different rows; if they are values of one moment, they get the same.
 * @throws DialectError if it does not suit the site's topics or zone
 */
export function compileDialect(dialect: Dialect, site: Site = {}): CompiledDialect {
  const used = atSite(dialect, site)
  const codec = codecOf(used.payload, used.file)
  const key = compileKey(used)
  return {
    name: used.name,
    version: used.version,
    unknownDevices: used.unknownDevices,
    topics: used.topics,
    match: (topic) => {
      for (const pattern of used.topics) {
        const captures = pattern.match(topic)
        if (captures !== undefined) return captures
      }
      return undefined
    },
    key: (topic, captures) => key({ ...NOTHING, names: captures }) ?? topic,
    translate: createTranslator(used, codec),
    status: compileStatus(used),
  }
}

const NOTHING: Scope = { root: undefined, record: undefined, place: undefined, names: {} }

function codecOf(name: Dialect['payload'], file: string): Codec {
  const found = (codecs as Readonly<Record<string, Codec | undefined>>)[name]
  if (found === undefined) throw new RangeError(`${file}: payload: expected one of ${Object.keys(codecs).join(', ')}, got ${name}`)
  return found
}

/** The identity that the topic alone gives. */
function compileKey({ key, device }: Dialect): ReadText {
  if (key !== undefined) return compileText(key)
  const ofTopic = isOfTopic(device) ? compileText(device) : () => undefined
  return (scope) => scope.names.device ?? ofTopic(scope)
}

function isOfTopic(rule: TextRule): boolean {
  return rule.every(({ origin }) => isOfNames(origin))
}

function compileStatus({ status }: Dialect): DialectStatus | undefined {
  if (status === undefined) return undefined
  const codec = codecOf(status.payload, '')
  const read = compileOrigin(status.origin)
  const place = originText(status.origin)
  const device = compileText(status.device)
  const known = [...status.map.keys()].slice(0, 20).join(', ')
  return {
    topic: status.topic,
    read(payload, captures) {
      if (payload.length === 0) return undefined
      const root = decodeStatus(codec, payload)
      const scope: Scope = { root, record: root, place: undefined, names: captures }
      const value = read(scope)
      const state = status.map.get(textOf(value)?.trim() ?? '')
      if (state === undefined) throw new CodecError(`${place(scope)}: expected one of ${known}, got ${shownValue(value)}`)
      const id = device(scope)
      if (id === undefined || parseDeviceId(id) === undefined) throw new CodecError(`expected a device ID, got ${shownValue(id)}`)
      return { device: id, state }
    },
  }
}

/** A word such as `online` is no JSON, but firmwares that have JSON elsewhere send it. */
function decodeStatus(codec: Codec, payload: Buffer): unknown {
  try {
    return codec(payload, 0)
  } catch (cause) {
    if (!(cause instanceof CodecError) || codec !== codecs.json) throw cause
    const text = codecs.text(payload)
    if (/^\w+$/.test(text)) return text
    throw cause
  }
}

function createTranslator(dialect: Dialect, codec: Codec): CompiledDialect['translate'] {
  const rules = dialect.samples.map((rule, number) => compileRule(dialect, rule, number))
  const ignore = dialect.ignore.map(compileConditions)
  const ignoresByTopic = dialect.ignore.every((list) => list.every(({ origin }) => isOfNames(origin)))
  return (message, captures, explain) => {
    const ofTopic: Scope = { ...NOTHING, names: captures }
    if (ignoresByTopic && ignore.length > 0 && ignore.some((test) => test(ofTopic))) return ignored('not-telemetry', explain)
    if (ignoresByTopic && ignore.length > 0) explain?.('no condition of `ignore` holds')
    let root: unknown
    try {
      root = codec(message.payload, message.receivedMicros)
    } catch (cause) {
      if (!(cause instanceof CodecError)) throw cause
      return whole('bad-payload', cause.message, explain)
    }
    explain?.(`payload ${dialect.payload}: ${shownValue(root)}`)
    const scope: Scope = { root, record: root, place: undefined, names: captures }
    if (!ignoresByTopic && ignore.some((test) => test(scope))) return ignored('not-telemetry', explain)
    if (!ignoresByTopic) explain?.('no condition of `ignore` holds')
    const pass = new Pass(dialect, message, root, captures, rules.length, explain)
    try {
      for (const rule of rules) pass.apply(rule)
    } catch (cause) {
      if (!(cause instanceof TooManyRecords)) throw cause
      return whole('too-many-samples', cause.message, explain)
    }
    return pass.finish()
  }
}
