import type { Codec } from './codec.ts'
import { decodeJson } from './json.ts'
import { decodeText } from './text.ts'

/** What a dialect's `payload` may name. */
export const codecs = {
  json: decodeJson,
  text: decodeText,
} as const satisfies Record<string, Codec>

export type CodecName = keyof typeof codecs
