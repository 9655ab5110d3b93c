import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { CsvError, type Options, parse } from 'csv-parse'
import { parse as parseSync } from 'csv-parse/sync'

/** How the text of a file becomes fields. */
export interface CsvLayout {
  readonly encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252'
  readonly separator: string
  /** Where the header is, from 1. */
  readonly fromLine: number
}

/** A record, and the line of the file in which it ends. */
export interface CsvRecord {
  readonly line: number
  readonly fields: readonly string[]
}

/** The file is not CSV from some line on: a quote is in the wrong place, or never closed. */
export class CsvFormatError extends Error {
  readonly line: number
  constructor(line: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.line = line
  }
}

export const SEPARATORS: readonly string[] = [',', ';', '\t', '|']
const SAMPLE_BYTES = 1 << 18
/** Of a record: a quote that is never closed must not take the rest of a file with it. */
const MOST_CHARACTERS = 1 << 17
const MOST_RECORDS = 50

/**
 * Looks at the beginning of a file: UTF-16 has a byte order mark, what is no UTF-8 is taken for
 * Windows-1252, and the separator is the one that gives most fields, the same number in each line.
 * @param separator if the user has told it
 * @param fromLine where the header is, if the user has told it
 */
export async function findLayout(path: string, separator: string | undefined, fromLine: number | undefined): Promise<CsvLayout> {
  const bytes = await beginning(path)
  const encoding = encodingOf(bytes)
  const text = new TextDecoder(encoding).decode(bytes)
  // What spreadsheets write and take for an answer.
  const told = /^sep=(.)\r?\n/.exec(text)?.[1]
  const from = fromLine ?? (told === undefined ? 1 : 2)
  const chosen = separator ?? told
  if (chosen !== undefined) return { encoding, separator: chosen, fromLine: from }
  // The last line may be cut off.
  const whole = bytes.length < SAMPLE_BYTES ? text : text.slice(0, text.lastIndexOf('\n') + 1)
  const scored = SEPARATORS.map((each) => ({ each, score: score(whole, each, from) }))
  return { encoding, separator: scored.reduce((best, next) => (next.score > best.score ? next : best)).each, fromLine: from }
}

async function beginning(path: string): Promise<Buffer> {
  await using file = await open(path)
  const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0)
  return buffer.subarray(0, bytesRead)
}

function encodingOf(bytes: Buffer): CsvLayout['encoding'] {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  try {
    // With `stream`, a character that is cut off at the end is none that is wrong.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return 'utf-8'
  } catch (cause) {
    if (cause instanceof TypeError) return 'windows-1252'
    throw cause
  }
}

function score(text: string, separator: string, fromLine: number): number {
  try {
    const records = parseSync(text, { ...options(separator, fromLine), to: MOST_RECORDS, info: false }) as unknown as readonly string[][]
    const [first] = records
    if (first === undefined) return 0
    const same = records.filter(({ length }) => length === first.length).length
    return first.length > 1 ? (first.length * same) / records.length : 0
  } catch (cause) {
    if (cause instanceof CsvError) return 0
    throw cause
  }
}

function options(separator: string, fromLine: number): Options {
  return {
    delimiter: separator,
    // Any of them in one file: programs append to what others wrote.
    record_delimiter: ['\r\n', '\n', '\r'],
    from_line: fromLine,
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MOST_CHARACTERS,
    // A quote within an unquoted field stands for itself: 5" pipe.
    relax_quotes: true,
  }
}

/**
 * The records of a file.
 * @throws CsvFormatError that names the line
 */
export async function* csvRecords(path: string, { encoding, separator, fromLine }: CsvLayout): AsyncGenerator<CsvRecord> {
  const source = createReadStream(path, { highWaterMark: 1 << 18 })
  const text = Readable.from(decoded(source, encoding))
  const parser = text.pipe(parse({ ...options(separator, fromLine), info: true }))
  text.on('error', (cause) => parser.destroy(cause))
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>)
      yield { line: info.lines, fields: record }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause
    const line = (cause as unknown as { lines?: number }).lines ?? 0
    const problem =
      cause.code === 'CSV_MAX_RECORD_SIZE' || cause.code === 'CSV_QUOTE_NOT_CLOSED'
        ? 'expected a closing quote within 131,072 characters, got none'
        : `expected a separator or the end of the line after a closing quote, got something else (${cause.code})`
    throw new CsvFormatError(line, problem, { cause })
  } finally {
    source.destroy()
  }
}

async function* decoded(source: AsyncIterable<Buffer>, encoding: CsvLayout['encoding']): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding)
  for await (const chunk of source) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}
