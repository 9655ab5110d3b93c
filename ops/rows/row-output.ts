import { createBlocks } from './blocks.ts'
import { type ByteSink, createFile, reopenFile, streamSink } from './byte-sink.ts'
import { csvHeader, csvLines } from './csv.ts'
import { ndjsonLines } from './ndjson.ts'
import { parquetFile, resumeParquet } from './parquet-writer.ts'
import type { Format, Row, RowColumn } from './row.ts'

/** Rows in one of the formats, to a file or standard output. Of any number, few are in memory. */
export interface RowOutput extends AsyncDisposable {
  write(rows: readonly Row[]): Promise<void>
  /**
   * Makes durable what was written, and says how to go on after it in the file as it is then.
   * Parquet ends a row group for it.
   */
  mark(): Promise<OutputMark>
  /** Ends the output: without it a file of Parquet cannot be read, and a table lacks its end. */
  finish(): Promise<void>
}

/** A place in a file to go on from. */
export interface OutputMark {
  readonly bytes: number
  /** Of Parquet: the row groups so far. */
  readonly groups: string | null
}

export interface RowOutputOptions {
  readonly columns: readonly RowColumn[]
  readonly format: Format
  /** A file that is not there yet; undefined for standard output. */
  readonly path: string | undefined
  /** In CSV, whether texts that look like formulas are made harmless for spreadsheets. */
  readonly spreadsheet: boolean
  /** Go on in the file from there. */
  readonly resume?: OutputMark | undefined
}

/** Formats in which a run can go on in the file of an earlier one. */
export function isResumable(format: Format): boolean {
  return format !== 'table'
}

export async function openRowOutput(options: RowOutputOptions): Promise<RowOutput> {
  const { path, resume } = options
  const sink = path === undefined ? streamSink(process.stdout) : await (resume ? reopenFile(path, resume.bytes) : createFile(path))
  return rowOutput(sink, options)
}

export function rowOutput(sink: ByteSink, { columns, format, spreadsheet, resume }: Omit<RowOutputOptions, 'path'>): RowOutput {
  if (format === 'parquet') {
    const file = resume?.groups ? resumeParquet(sink, columns, resume.groups) : parquetFile(sink, columns)
    return {
      write: (rows) => file.write(rows),
      async mark() {
        const groups = await file.groups()
        return { bytes: await sink.sync(), groups }
      },
      async finish() {
        await file.finish()
        await sink.sync()
      },
      [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
    }
  }
  const text = lines(format, columns, spreadsheet)
  let begun = resume !== undefined
  const begin = async (): Promise<void> => {
    if (begun) return
    begun = true
    await write(text.head)
  }
  const write = async (given: string): Promise<void> => {
    if (given !== '') await sink.write(given)
  }
  return {
    async write(rows) {
      await begin()
      await write(text.rows(rows))
    },
    async mark() {
      await begin()
      return { bytes: await sink.sync(), groups: null }
    },
    async finish() {
      await begin()
      await write(text.rest())
      await sink.sync()
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  }
}

interface Lines {
  readonly head: string
  rows(rows: readonly Row[]): string
  rest(): string
}

function lines(format: Exclude<Format, 'parquet'>, columns: readonly RowColumn[], spreadsheet: boolean): Lines {
  switch (format) {
    case 'csv':
      return { head: csvHeader(columns), rows: (rows) => csvLines(columns, rows, spreadsheet), rest: () => '' }
    case 'ndjson':
      return { head: '', rows: (rows) => ndjsonLines(columns, rows), rest: () => '' }
    case 'table': {
      const blocks = createBlocks(columns)
      return { head: '', rows: blocks.add, rest: blocks.rest }
    }
  }
}
