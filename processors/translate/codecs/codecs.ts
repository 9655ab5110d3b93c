import { decodeCbor } from './cbor.ts'
import type { Codec } from './codec.ts'
import { decodeJson } from './json.ts'
import { decodeLineProtocol } from './line-protocol.ts'
import { decodeSenml } from './senml.ts'
import { decodeSparkplugB } from './sparkplug-b.ts'
import { decodeText } from './text.ts'

/** What a dialect's `payload` may name. */
export const codecs = {
  json: decodeJson,
  text: decodeText,
  cbor: decodeCbor,
  senml: decodeSenml,
  'sparkplug-b': decodeSparkplugB,
  'line-protocol': decodeLineProtocol,
} as const satisfies Record<string, Codec>

export type CodecName = keyof typeof codecs
