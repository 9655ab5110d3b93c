import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../contract.ts'

/** A row of a result: numbers, bigint for whole ones, null, text. */
export type DuckRow = Readonly<Record<string, unknown>>

/** DuckDB inside this process: it writes and reads Parquet. Throws ConnectorError. */
export interface Duck extends AsyncDisposable {
  run(doing: string, sql: string): Promise<void>
  rows(doing: string, sql: string): Promise<readonly DuckRow[]>
  /** Rows of a result of any length, as values by column, some thousand at a time. */
  stream(doing: string, sql: string): AsyncIterable<readonly (readonly unknown[])[]>
  /**
   * Runs a statement that reads a stream as if it was a file.
   * @param statement given the path to read
   */
  reading(doing: string, stream: Readable, statement: (path: string) => string): Promise<void>
  /**
   * Runs a statement that writes a file, and gives what it writes as a stream.
   * @param statement given the path to write to
   * @param take reads the stream to its end
   */
  writing(doing: string, statement: (path: string) => string, take: (stream: Readable) => Promise<void>): Promise<void>
}

/**
 * DuckDB's own buffers. The process takes some 100 MB more: rows of one group as they are encoded,
 * and Node.js.
 */
const MEMORY = '128MB'
/** One, so that rows keep their order, and the store has the other processors. */
const THREADS = '1'
const DRAINED_BYTES = 65_536
/** Between two looks into an empty pipe. */
const EMPTY_MS = 5

/** @param folder for what does not fit into memory; it is there, and of this process alone */
export async function openDuck(folder: string): Promise<Duck> {
  const { DuckDBInstance } = await load()
  const spill = join(folder, 'spill')
  await mkdir(spill, { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', { threads: THREADS, memory_limit: MEMORY, temp_directory: spill })
  const connection = await instance.connect()
  const within = async <Result>(doing: string, work: Promise<Result>): Promise<Result> => {
    try {
      return await work
    } catch (cause) {
      throw new ConnectorError('duckdb', false, doing, cause)
    }
  }
  // Not every file system that an archive may be on has pipes.
  const pipe = join(await mkdtemp(join(tmpdir(), 'millrace-pipe-')), 'rows.csv')
  return {
    async run(doing, sql) {
      await within(doing, connection.run(sql))
    },
    async rows(doing, sql) {
      return (await within(doing, connection.runAndReadAll(sql))).getRowObjects()
    },
    async *stream(doing, sql) {
      const result = await within(doing, connection.stream(sql))
      for (;;) {
        const chunk = await within(doing, result.fetchChunk())
        if (chunk === null || chunk.rowCount === 0) return
        yield chunk.getRows()
      }
    },
    async reading(doing, stream, statement) {
      await makePipe(pipe)
      const target = createWriteStream(pipe)
      const written = pipeline(stream, target)
      const read = connection.run(statement(pipe)).catch(async (error: unknown) => {
        // Nobody reads any more, perhaps nobody ever did: the writer must not wait for that.
        stream.destroy(error instanceof Error ? error : new Error(String(error)))
        const held = await openBothEnds(pipe)
        await drain(held, () => target.closed)
        await held.close()
        throw error
      })
      const [fromSource, fromDuck] = await Promise.allSettled([written, read])
      await rm(pipe, { force: true })
      // If DuckDB failed, the source was ended for that.
      if (fromDuck.status === 'rejected') throw new ConnectorError('duckdb', false, doing, fromDuck.reason)
      // The rows that came before look whole to DuckDB.
      if (fromSource.status === 'rejected') throw fromSource.reason
    },
    async writing(doing, statement, take) {
      await makePipe(pipe)
      const held = await openBothEnds(pipe)
      const stream = createReadStream(pipe)
      const opened = once(stream, 'open')
      opened.catch(() => undefined)
      let ended = false
      let gaveUp = false
      const written = connection.run(statement(pipe)).then(
        async () => {
          ended = true
          await opened
          await held.close()
        },
        async (error: unknown) => {
          ended = true
          if (!gaveUp) stream.destroy(error instanceof Error ? error : new Error(String(error)))
          await held.close()
          throw error
        },
      )
      const taken = take(stream).catch(async (error: unknown) => {
        gaveUp = !ended
        stream.destroy()
        // DuckDB would wait for a reader.
        await drain(held, () => ended)
        throw error
      })
      const [fromDuck, fromTaker] = await Promise.allSettled([written, taken])
      await rm(pipe, { force: true })
      if (fromTaker.status === 'rejected' && (gaveUp || fromDuck.status === 'fulfilled')) throw fromTaker.reason
      if (fromDuck.status === 'rejected') throw new ConnectorError('duckdb', false, doing, fromDuck.reason)
    },
    async [Symbol.asyncDispose]() {
      connection.closeSync()
      instance.closeSync()
      await rm(dirname(pipe), { recursive: true, force: true })
    },
  }
}

async function load(): Promise<typeof import('@duckdb/node-api')> {
  try {
    return await import('@duckdb/node-api')
  } catch (cause) {
    throw new ConnectorError('duckdb', false, 'loading DuckDB, which writes the archive: npm install @duckdb/node-api', cause)
  }
}

/** A pipe that is open for both ends at once lets nobody wait for somebody who never comes. */
function openBothEnds(pipe: string): Promise<FileHandle> {
  return open(pipe, constants.O_RDWR | constants.O_NONBLOCK)
}

/** Reads what is written to a pipe, and forgets it, until the writer has ended. */
async function drain(held: FileHandle, ended: () => boolean): Promise<void> {
  const bytes = Buffer.allocUnsafe(DRAINED_BYTES)
  while (!ended()) {
    const read = await held.read(bytes).catch(() => undefined)
    // It is empty at this moment, or closed.
    if (read === undefined) await delay(EMPTY_MS)
  }
}

/** Node.js has no call for it. */
async function makePipe(path: string): Promise<void> {
  const code = await new Promise<number | string>((resolve) => {
    const child = spawn('mkfifo', ['-m', '600', path], { stdio: 'ignore' })
    child.once('error', ({ message }) => resolve(message))
    child.once('exit', (status, signal) => resolve(status ?? signal ?? 'ended'))
  })
  if (code !== 0) throw new ConnectorError('mkfifo', false, `making the pipe ${path} with mkfifo (${code})`)
}

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
