import { open } from 'node:fs/promises'

const NEWLINE = 0x0a
const CHUNK_BYTES = 4 << 20

/** The columns named by the first line of a file: time, device, then quantities. */
export function parseHeader(line: string): readonly string[] {
  return line
    .trim()
    .split(',')
    .map((field) => field.trim().replace(/^"(.*)"$/, '$1'))
}

/** The first line of a file. */
export async function firstLine(path: string): Promise<string> {
  for await (const chunk of wholeLines(path)) return chunk.subarray(0, chunk.indexOf(NEWLINE)).toString('utf8')
  return ''
}

/**
 * A file in chunks of whole lines, without blank lines. The last line gets a line end if it has
 * none.
 */
export async function* wholeLines(path: string, chunkBytes = CHUNK_BYTES): AsyncGenerator<Buffer> {
  await using file = await open(path)
  let rest: Buffer = Buffer.alloc(0)
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes)
    const read = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    const end = bytesRead === 0 ? read.length : read.lastIndexOf(NEWLINE) + 1
    rest = read.subarray(end)
    const lines = withoutBlankLines(read.subarray(0, end))
    if (lines.length > 0) yield lines
    if (bytesRead === 0) return
  }
}

function withoutBlankLines(lines: Buffer): Buffer {
  const text = lines.toString('latin1')
  if (text === '' || (text.endsWith('\n') && !/(^|\n)\r?\n/.test(text))) return lines
  return Buffer.from(
    text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => `${line}\n`)
      .join(''),
    'latin1',
  )
}
