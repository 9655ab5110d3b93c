import { isObject } from '../../schemas/json.ts'
import type { RecordPart } from '../contract.ts'
import { repeatedNames } from './repeated-names.ts'

const MARK = '\ufeff'
const TIME = 'ts'

/**
 * The part of a JSON message that a dead letter is about, as a message of its own. When the bridge
 * itself decoded JSON, its dead letters kept the whole message, and named the samples that had not
 * gone on. What did go on must not be stored again with another time.
 * @returns the payload as it is if no part can be told in it
 */
export function partOfJson(payload: Buffer, { samples, quantities }: RecordPart): Buffer {
  if (samples.length + quantities.length === 0) return payload
  const text = payload.toString('utf8').replace(MARK, '')
  const parsed = parse(text)
  // Written again, a name that is there twice would be there once, and its value a guess.
  if (parsed === undefined || repeatedNames(text, Array.isArray(parsed)).length > 0) return payload
  const all: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  const chosen = samples.length === 0 ? all : samples.map((index) => all[index])
  return Buffer.from(JSON.stringify(quantities.length === 0 ? chosen : chosen.map((sample) => only(sample, [TIME, ...quantities]))))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}

function only(sample: unknown, names: readonly string[]): unknown {
  return isObject(sample)
    ? Object.fromEntries(names.flatMap((name) => (Object.hasOwn(sample, name) ? [[name, sample[name]]] : [])))
    : sample
}
