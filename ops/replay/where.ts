import { Environment, EvaluationError } from '@marcbachmann/cel-js'
import type { ArchiveKind } from '../../processors/store/archive-figures.ts'
import { ConfigError } from '../../services/config.ts'
import type { Cell, Row, RowColumn } from '../rows/row.ts'

/** Types of the Common Expression Language. */
const TYPES: Readonly<Record<ArchiveKind, string>> = {
  text: 'string',
  timestamp: 'google.protobuf.Timestamp',
  boolean: 'bool',
  whole: 'int',
  double: 'double',
}
/** Where an expression may be true though a part of it has no value. */
const ALTERNATIVE = /\|\||\?|!|exists|filter|map/
const MICROS_PER_MS = 1000

/**
 * Compiles an expression of the Common Expression Language over the columns of a row. A row matches
 * if the expression is true. A comparison with a value that is missing is not.
 * @throws ConfigError if it is none, names a field that there is not, or is no condition
 */
export function compileWhere(expression: string, columns: readonly RowColumn[]): (row: Row) => boolean {
  const environment = new Environment({ unlistedVariablesAreDyn: false })
  for (const { name, kind } of columns) environment.registerVariable(name, TYPES[kind])
  const { valid, type, error } = environment.check(expression)
  if (!valid || type !== 'bool') {
    const why = valid ? `it is a value of type ${type}, not a condition` : error?.message.split('\n')[0]
    throw new ConfigError(`--where ${JSON.stringify(expression)}: ${why}; fields are ${columns.map(({ name }) => name).join(', ')}`)
  }
  const matches = environment.parse(expression)
  // Only what is named is given: an object of all columns would cost more than the evaluation.
  const named = columns.flatMap(({ name, kind }, index) => (new RegExp(`\\b${name}\\b`).test(expression) ? [{ name, kind, index }] : []))
  const values: Record<string, unknown> = {}
  const conjunctive = !ALTERNATIVE.test(expression)
  return (row) => {
    // An error for each row without a value would cost more than all the rest.
    if (conjunctive && named.some(({ index }) => (row[index] ?? null) === null)) return false
    for (const { name, kind, index } of named) values[name] = given(kind, row[index] ?? null)
    try {
      return matches(values) === true
    } catch (cause) {
      if (isOfValues(cause)) return false
      throw cause
    }
  }
}

function given(kind: ArchiveKind, cell: Cell): unknown {
  if (cell === null) return null
  if (kind === 'whole') return BigInt(cell as number | bigint)
  return kind === 'timestamp' ? new Date((cell as number) / MICROS_PER_MS) : cell
}

/** What is wrong with the values of one row, such as a missing one, and not with the expression. */
function isOfValues(cause: unknown): boolean {
  return cause instanceof EvaluationError
}
