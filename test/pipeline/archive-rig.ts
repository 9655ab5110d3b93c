import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { archiveOnce, type RunOptions } from './archive-once.ts'
import { CareRig, TODAY } from './care-rig.ts'
import type { TestRow } from './readings-batch.ts'

/** A store's database and an archive in a directory of the test's own. */
export class ArchiveRig implements AsyncDisposable {
  readonly care: CareRig
  readonly directory: string

  static async open(backend: BackendName): Promise<ArchiveRig> {
    const rig = new ArchiveRig(await CareRig.open(backend), await mkdtemp(join(tmpdir(), 'millrace-archive-')))
    // Age counts from the newest day that has rows.
    await rig.care.fill(TODAY, TODAY)
    return rig
  }

  private constructor(care: CareRig, directory: string) {
    this.care = care
    this.directory = directory
  }

  get url(): string {
    return this.care.store.database.url
  }

  async run(options: Partial<RunOptions> = {}): Promise<readonly ArchiveEvent[]> {
    await this.care.rollUp()
    return await archiveOnce({ url: this.url, backend: this.care.backend, directory: this.directory, ...options })
  }

  write(rows: readonly TestRow[]): Promise<unknown> {
    return this.care.store.write(rows)
  }

  query(text: string): Promise<readonly Record<string, unknown>[]> {
    return this.care.store.database.query(text)
  }

  /** Of days before today. */
  async tableRows(): Promise<number> {
    const text = `SELECT count(*) AS rows FROM readings WHERE ts < timestamptz 'epoch' + ${TODAY} * interval '1 day'`
    return Number((await this.query(text))[0]?.rows)
  }

  /** Days that count as archived, relative to today, and their state. */
  async archived(): Promise<readonly string[]> {
    const rows = await this.query(
      `SELECT day - (date '1970-01-01' + ${TODAY}) AS day, generation, rows, state FROM archived_days ORDER BY day`,
    )
    return rows.map(({ day, generation, rows: count, state }) => `${day}: ${count} rows, generation ${generation}, ${state}`)
  }

  folder(day: number): string {
    return join(this.directory, `date=${new Date((TODAY + day) * DAY_MS).toISOString().slice(0, 10)}`)
  }

  async files(day: number): Promise<readonly string[]> {
    return (await readdir(this.folder(day)).catch(() => [])).sort()
  }

  /** What DuckDB reads, as JSON-like rows. */
  async read(sql: string): Promise<readonly Record<string, unknown>[]> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    try {
      return (await connection.runAndReadAll(sql)).getRowObjectsJson() as Record<string, unknown>[]
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  }

  get glob(): string {
    return `${this.directory}/date=*/*.parquet`
  }

  /**
   * Rows of the files that the database says count: those with its checksum, whatever a killed run
   * left. Fails if one is not there.
   */
  async archivedRows(): Promise<number> {
    const days = await this.query("SELECT day::text, sha256 FROM archived_days WHERE state NOT IN ('placing', 'restored', 'kept')")
    const paths: string[] = []
    for (const { day, sha256 } of days) {
      const folder = join(this.directory, `date=${day}`)
      const candidates = ['readings.parquet', 'readings.parquet.previous']
        .map((name) => join(folder, name))
        .filter((path) => existsSync(path))
      const hashes = await Promise.all(
        candidates.map(async (path) =>
          createHash('sha256')
            .update(await readFile(path))
            .digest('hex'),
        ),
      )
      const found = candidates[hashes.indexOf(String(sha256))]
      if (found === undefined) throw new Error(`${folder}: no file with SHA-256 ${sha256}`)
      paths.push(found)
    }
    if (paths.length === 0) return 0
    const [row] = await this.read(`SELECT count(*) AS rows FROM read_parquet([${paths.map((path) => `'${path}'`).join(', ')}])`)
    return Number(row?.rows)
  }

  /** Rows of a CSV with a header into a table. @returns how many */
  copyIn(table: string, csv: Buffer): Promise<number> {
    return this.care.database.use((session) => session.copy('copying', `COPY ${table} FROM STDIN (FORMAT csv, HEADER)`, csv))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.care[Symbol.asyncDispose]()
    await rm(this.directory, { recursive: true, force: true })
  }
}
