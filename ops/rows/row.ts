import type { ArchiveColumn } from '../../processors/store/archive-figures.ts'

/** A column of what is written for analysts. Its kinds are those of the archive. */
export type RowColumn = ArchiveColumn

/**
 * A value: of `timestamp` microseconds since 1970, of `whole` a number or, beyond 2⁵³, a bigint.
 */
export type Cell = string | number | bigint | boolean | null

/** A value for each column. */
export type Row = readonly Cell[]

export type Format = 'table' | 'ndjson' | 'csv' | 'parquet'
