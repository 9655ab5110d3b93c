import { CodecError } from './codec.ts'
import { decodeUtf8, foreignEncoding } from './utf8.ts'

/**
 * The whole payload as one text. White space at its ends, such as the line break of a shell's
 * `echo`, is left out; an empty payload is an empty text.
 * @throws CodecError if it is not UTF-8 or has a NUL, which is binary or a string of C with its end
 */
export function decodeText(payload: Buffer): string {
  const nul = payload.indexOf(0)
  if (nul >= 0)
    throw new CodecError(
      foreignEncoding(payload) ?? `expected text, got byte 00 at position ${nul} of ${payload.length}, which has no place in it`,
    )
  return decodeUtf8(payload).trim()
}
