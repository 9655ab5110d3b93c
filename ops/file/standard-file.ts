import { once } from 'node:events'
import { createWriteStream, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { visible } from '../../processors/visible.ts'
import { type FileColumns, findColumns } from './columns.ts'
import { CsvFormatError, type CsvLayout, csvRecords, findLayout } from './csv-records.ts'
import { type MomentsOf, zoneMoments } from './local-time.ts'
import { MappingError, parseMapping } from './mapping.ts'
import { type Decimal, guessDecimal } from './number-text.ts'
import { type BadLine, type LineFault, LineReader } from './read-lines.ts'
import { guessTimeFormats, TIME_FORMATS, type TimeFormat, TimeFormatError, timeFormat } from './time-format.ts'

/** What a user says of a file. What is undefined is found out. */
export interface FileOptions {
  /** Entries of the mapping; several are as one with commas between them. */
  readonly map: readonly string[]
  /** One device for all lines. */
  readonly device: string | undefined
  /** IANA zone of times that have no offset. */
  readonly zone: string | undefined
  readonly timeFormat: string | undefined
  readonly separator: string | undefined
  readonly decimal: Decimal | undefined
  /** Further texts that mean no reading. */
  readonly missing: readonly string[]
  /** Line of the header, from 1; undefined for the first, or the one after `sep=;`. */
  readonly fromLine: number | undefined
  /** Whether the first line is the header. */
  readonly header: boolean
  /** Whether the other lines are sent if some cannot be read. */
  readonly skip: boolean
}

/** A file that was rewritten: time (ISO 8601, UTC), device, then quantities in standard units. */
export interface StandardFile {
  readonly quantities: readonly string[]
  readonly lines: number
  /** How it was read, in words. */
  readonly words: readonly string[]
  /** Lines that have no value at all. */
  readonly empty: number
  /** Lines that could not be read, by what was wrong. */
  readonly rejected: ReadonlyMap<string, number>
  /** The first of these, with their lines. */
  readonly examples: readonly string[]
}

/** A file that cannot be read. The message names line, column, value and what was expected. */
export class FileError extends Error {}

export interface StandardFileJob {
  readonly path: string
  /** Where the file is written to. */
  readonly to: string
  readonly options: FileOptions
  /** Times from here to there are taken. Microseconds since 1970. */
  readonly oldest: number
  readonly newest: number
  /** That in words, as in "of the last ten years". */
  readonly span: string
}

/** What means no reading in files of loggers, spreadsheets and R. */
const MISSING: readonly string[] = ['', 'na', 'n/a', 'nan', 'null', 'none', '-', '--', '---']
/** Records that are looked at to find out how the file is written. */
const SAMPLE = 10_000
const EXAMPLES = 10
const REASONS: Readonly<Record<LineFault, string>> = {
  columns: 'another number of fields than the header',
  time: 'no time that can be read',
  zone: 'a time without an offset, and no zone',
  old: 'a time that the line does not take',
  device: 'no device ID',
  value: 'a value that is no number',
}

/**
 * Reads a CSV file by its mapping and writes it in standard form.
 * @throws FileError if it cannot be read, or some of its lines cannot and `skip` is not set
 */
export async function standardFile({ path, to, options, oldest, newest, span }: StandardFileJob): Promise<StandardFile> {
  const layout = await findLayout(path, options.separator, options.fromLine)
  const sample = await readSample(path, layout, options)
  const columns = columnsOf(sample.header, options)
  const decimal = decimalOf(sample, columns, options)
  const missing = new Set([...MISSING, ...options.missing.map((text) => text.toLowerCase())])
  const time = timeOf(sample, columns, options, missing)
  const reader = new LineReader({
    columns,
    header: sample.header,
    time,
    moments: momentsOf(options.zone),
    zone: options.zone,
    decimal,
    missing,
    oldest,
    newest,
    span,
  })
  mkdirSync(dirname(to), { recursive: true })
  const output = createWriteStream(to)
  const failed = once(output, 'error').then(([cause]) => Promise.reject(cause as Error))
  failed.catch(() => undefined)
  const quantities = columns.values.map(({ quantity }) => quantity)
  const rejected = new Map<string, number>()
  const examples: string[] = []
  let [lines, empty, dataLines] = [0, 0, 0]
  let text = `time,device,${quantities.join(',')}\n`

  function reject({ fault, detail }: BadLine, line: number): void {
    rejected.set(REASONS[fault], (rejected.get(REASONS[fault]) ?? 0) + 1)
    if (examples.length < EXAMPLES) examples.push(visible(`line ${line}, ${detail}`))
  }

  let header = options.header
  try {
    for await (const { line, fields } of csvRecords(path, layout)) {
      if (header) {
        header = false
        continue
      }
      dataLines++
      const result = reader.read(fields)
      if (result.tag === 'empty') empty++
      else if (result.tag === 'bad') reject(result, line)
      else {
        lines++
        text += `${isoText(result.micros)},${result.device},${result.values.join(',')}\n`
        if (text.length < 1 << 16) continue
        if (!output.write(text)) await Promise.race([once(output, 'drain'), failed])
        text = ''
      }
    }
  } catch (cause) {
    if (cause instanceof CsvFormatError) throw new FileError(`line ${cause.line}: ${cause.message}`, { cause })
    throw cause
  } finally {
    output.end(text)
  }
  await Promise.race([once(output, 'finish'), failed])
  const bad = [...rejected.values()].reduce((sum, count) => sum + count, 0)
  if (lines === 0 || (bad > 0 && !options.skip)) throw new FileError(complaint(examples, bad, empty, dataLines, options.skip))
  return {
    quantities,
    lines,
    words: howRead({ layout, decimal, time, columns, options, reader }),
    empty,
    rejected,
    examples,
  }
}

function complaint(examples: readonly string[], bad: number, empty: number, lines: number, skip: boolean): string {
  if (lines === 0) return 'expected lines after the header, got none'
  if (bad === 0) return `expected a value in some line, got none in ${empty}`
  const more = bad > examples.length ? [`and ${(bad - examples.length).toLocaleString('en')} more`] : []
  const hint = skip || bad === lines ? '' : ' (--skip sends the others)'
  return [...examples, ...more, `${bad.toLocaleString('en')} of ${lines.toLocaleString('en')} lines cannot be read${hint}`].join('\n')
}

interface Sample {
  readonly header: readonly string[]
  readonly records: readonly (readonly string[])[]
  readonly lines: readonly number[]
}

async function readSample(path: string, layout: CsvLayout, options: FileOptions): Promise<Sample> {
  let header: readonly string[] | undefined
  const records: (readonly string[])[] = []
  const lines: number[] = []
  try {
    for await (const { line, fields } of csvRecords(path, layout)) {
      if (header === undefined) {
        header = options.header ? fields.map((name) => name.trim()) : fields.map((_, index) => `#${index + 1}`)
        if (options.header) continue
      }
      records.push(fields)
      lines.push(line)
      if (records.length === SAMPLE) break
    }
  } catch (cause) {
    if (cause instanceof CsvFormatError) throw new FileError(`line ${cause.line}: ${cause.message}`, { cause })
    throw cause
  }
  if (header === undefined) throw new FileError('expected a header line of time, device and quantities, got an empty file')
  return { header, records, lines }
}

function columnsOf(header: readonly string[], { map, device }: FileOptions): FileColumns {
  try {
    return findColumns(header, { mapping: map.flatMap(parseMapping), device })
  } catch (cause) {
    if (cause instanceof MappingError) throw new FileError(cause.message.split('\n').map(visible).join('\n'), { cause })
    throw cause
  }
}

function decimalOf({ records }: Sample, { values }: FileColumns, options: FileOptions): Decimal {
  if (options.decimal !== undefined) return options.decimal
  const texts = records.flatMap((fields) => values.map(({ index }) => (fields[index] ?? '').trim()))
  const decimal = guessDecimal(texts)
  if (decimal !== undefined) return decimal
  const example = texts.find((text) => text.includes(','))
  throw new FileError(`expected --decimal comma or --decimal point: ${JSON.stringify(example)} may be either, and no other value tells`)
}

function timeOf({ records, lines, header }: Sample, columns: FileColumns, options: FileOptions, missing: ReadonlySet<string>): TimeFormat {
  try {
    if (options.timeFormat !== undefined) return timeFormat(options.timeFormat)
  } catch (cause) {
    if (cause instanceof TimeFormatError) throw new FileError(cause.message, { cause })
    throw cause
  }
  const timeText = (fields: readonly string[]): string =>
    columns.time.map((place) => (place.tag === 'constant' ? place.text : (fields[place.index] ?? '').trim())).join(' ')
  const texts = records.map(timeText)
  const formats = guessTimeFormats(texts.filter((text) => !missing.has(text.toLowerCase())))
  const [format, other] = formats
  if (other !== undefined)
    throw new FileError(`expected --time-format: ${JSON.stringify(texts[0])} may be ${formats.map(({ name }) => name).join(' or ')}`)
  if (format !== undefined) return format
  if (texts[0] === undefined) return timeFormat('iso8601')
  const [first] = columns.time
  const where =
    first?.tag === 'field' ? `column ${first.index + 1} (${header[first.index]}${header[first.index] === 'time' ? '' : ', time'})` : 'time'
  const shown = texts[0].length > 60 ? `${texts[0].slice(0, 60)}…` : texts[0]
  throw new FileError(
    visible(
      `line ${lines[0]}, ${where}: expected a time, got ${JSON.stringify(shown)}; if it is one, --time-format says how it is written: ${TIME_FORMATS}`,
    ),
  )
}

function momentsOf(zone: string | undefined): MomentsOf | undefined {
  try {
    return zone === undefined ? undefined : zoneMoments(zone)
  } catch (cause) {
    if (cause instanceof RangeError)
      throw new FileError(`--zone: expected a time zone such as Europe/Vienna or UTC, got ${JSON.stringify(zone)}`, { cause })
    throw cause
  }
}

const SAID: Readonly<Record<string, string>> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' }

interface HowRead {
  readonly layout: CsvLayout
  readonly decimal: Decimal
  readonly time: TimeFormat
  readonly columns: FileColumns
  readonly options: FileOptions
  readonly reader: LineReader
}

function howRead({ layout, decimal, time, columns, options, reader }: HowRead): readonly string[] {
  const { encoding, separator } = layout
  const words = [
    `separator ${SAID[separator] ?? separator}, decimal ${decimal}, ${encoding}, times as ${time.name}${options.zone === undefined ? '' : ` in ${options.zone}`}`,
  ]
  return [
    `${words.join('')}: ${columns.words.join(', ')}`,
    ...(columns.ignored.length === 0 ? [] : [`nothing is taken from ${columns.ignored.join(', ')}`]),
    ...(reader.repeatedHour === 0
      ? []
      : [`${reader.repeatedHour} lines are of the hour that comes twice: the first of it, unless the device's line before is later`]),
  ].map(visible)
}

function isoText(micros: number): string {
  const ms = Math.floor(micros / 1000)
  const rest = micros - ms * 1000
  const text = new Date(ms).toISOString()
  if (rest !== 0) return `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : text
}
