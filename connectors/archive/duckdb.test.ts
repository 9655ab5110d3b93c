import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type Duck, openDuck } from './duckdb.ts'

/**
 * Waits until no call of the file system is under way: one that waits at a pipe keeps a process
 * alive for ever.
 */
async function idle(): Promise<void> {
  for (const end = Date.now() + 3_000; ; await delay(10)) {
    if (!process.getActiveResourcesInfo().includes('FSReqCallback')) return
    if (Date.now() > end) throw new Error('somebody still waits at a pipe')
  }
}

describe('a pipe to and from DuckDB', () => {
  let folder: string
  let duck: Duck

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-duck-'))
    duck = await openDuck(folder)
  })

  after(async () => {
    await duck[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const failure = (work: Promise<void>): Promise<unknown> =>
    work.then(
      () => undefined,
      (cause: unknown) => cause,
    )
  const csv = (path: string): string =>
    `CREATE OR REPLACE TABLE t AS SELECT * FROM read_csv('${path}', columns = {'n': 'INTEGER'}, header = false, auto_detect = false)`

  it('is read to its end, and written to its end', async () => {
    await duck.reading('reading', Readable.from(['1\n', '2\n']), csv)
    let text = ''
    await duck.writing(
      'writing',
      (path) => `COPY t TO '${path}' (FORMAT csv, HEADER false)`,
      async (stream) => {
        for await (const chunk of stream) text += String(chunk)
      },
    )
    expect(text).to.equal('1\n2\n')
    await idle()
  })

  for (const [when, lines] of [
    ['before it opens the pipe', undefined],
    ['once it has read all', ['1\n', 'x\n']],
    ['while more comes than a pipe holds', ['x\n', ...Array.from({ length: 100 }, () => '1\n'.repeat(50_000))]],
  ] as const)
    it(`leaves nobody waiting if DuckDB fails ${when}`, async () => {
      const statement = lines === undefined ? (): string => 'SELECT nothing' : csv
      const error = await failure(duck.reading('reading', Readable.from(lines ?? ['1\n']), statement))
      expect(String(error)).to.include('reading')
      await idle()
    })

  for (const [when, rows, take] of [
    ['at once', 1_000_000, async () => undefined],
    ['once DuckDB has written all', 1, () => delay(300)],
  ] as const)
    it(`leaves nobody waiting if who reads gives up ${when}; its reason is told`, async () => {
      const error = await failure(
        duck.writing(
          'writing',
          (path) => `COPY (SELECT * FROM range(${rows})) TO '${path}' (FORMAT csv)`,
          async () => {
            await take()
            throw new RangeError('enough')
          },
        ),
      )
      expect(String(error)).to.equal('RangeError: enough')
      await idle()
    })

  it('leaves nobody waiting if DuckDB fails to write', async () => {
    const error = await failure(
      duck.writing(
        'writing',
        () => 'SELECT nothing',
        async (stream) => {
          for await (const _ of stream);
        },
      ),
    )
    expect(String(error)).to.include('writing')
    await idle()
  })
})
