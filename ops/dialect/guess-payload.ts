import { CodecError } from '../../processors/translate/codecs/codec.ts'
import { codecs } from '../../processors/translate/codecs/codecs.ts'
import type { RawMessage } from '../../processors/translate/translation.ts'
import type { PayloadCodec } from '../../schemas/dialect.ts'
import { isTree, numberOf } from './leaves.ts'

/** A message as the codec that it seems to be for reads it. */
export interface DecodedMessage {
  readonly message: RawMessage
  readonly codec: PayloadCodec
  readonly tree: unknown
}

/** The names of RFC 8428, and their numbers in CBOR. */
const SENML_NAMES = /^(?:bn|bt|bu|bv|bs|bver|n|u|v|vs|vb|vd|s|t|ut|-?\d)$/
const LINE_PROTOCOL = /^(?:[^\s,=#]|\\.)+(?:,(?:[^\s,=]|\\.)+=(?:[^\s,=]|\\.)+)* (?:[^\s,=]|\\.)+=\S.*$/m

/**
 * The codec that a payload is for, by its content.
 * @returns undefined if no codec reads it
 */
export function guessPayload(message: RawMessage): DecodedMessage | undefined {
  const decode = (codec: PayloadCodec): DecodedMessage | undefined => {
    try {
      return { message, codec, tree: codecs[codec](message.payload, message.receivedMicros) }
    } catch (cause) {
      if (!(cause instanceof CodecError)) throw cause
      return undefined
    }
  }
  const sparkplug = message.topic.startsWith('spBv1.0/') ? decode('sparkplug-b') : undefined
  if (sparkplug !== undefined) return sparkplug
  const json = decode('json')
  if (json !== undefined) {
    if (isSenml(json.tree)) return decode('senml') ?? json
    // A number or a word is for the codec of texts, which reads "on" and 21,4 too.
    return typeof json.tree === 'object' && json.tree !== null ? json : (decode('text') ?? json)
  }
  const text = decode('text')
  if (text !== undefined && isReadable(String(text.tree)))
    return LINE_PROTOCOL.test(String(text.tree)) ? (decode('line-protocol') ?? text) : text
  const cbor = decode('cbor')
  if (cbor === undefined || typeof cbor.tree !== 'object' || cbor.tree === null) return undefined
  return isSenml(cbor.tree) ? (decode('senml') ?? cbor) : cbor
}

function isReadable(text: string): boolean {
  return !/\p{Cc}/u.test(text.replace(/[\t\r\n]/g, ''))
}

function isSenml(tree: unknown): boolean {
  if (!Array.isArray(tree) || tree.length === 0 || !tree.every(isTree)) return false
  const names = new Set(tree.flatMap((record) => Object.keys(record)))
  const isNamed = names.has('n') || names.has('bn') || names.has('0') || names.has('-2')
  const hasValue = ['v', 'vs', 'vb', 'vd', 'bv', '2', '3', '4', '-5'].some((name) => names.has(name))
  return isNamed && hasValue && [...names].every((name) => SENML_NAMES.test(name))
}

/** Whether it is one value: a number, or a word such as on. */
export function isScalar({ tree }: DecodedMessage): boolean {
  return typeof tree !== 'object' || tree === null
}

/** Whether a scalar is a number, or says that there is none. */
export function isNumberLike(tree: unknown): boolean {
  return numberOf(tree) !== undefined || (typeof tree === 'string' && isMissing(tree)) || tree === null
}

/** Texts by which devices say that there is no reading. */
export function isMissing(text: string): boolean {
  return /^(?:nan|-?inf|null|none|unknown|unavailable|n\/a|-|--)$/i.test(text)
}
