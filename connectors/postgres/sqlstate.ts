/**
 * Whose problem an error is. `database`: back off and try again, never dead-letter. `row`: that
 * row's data, everything else can go on. `defect`: a mistake of ours or of the operator (a missing
 * table, a wrong password, a lost right). Repeating does not help, and no row is at fault.
 */
export type Blame = 'database' | 'row' | 'defect'

/**
 * The database's own problem, a closed list: connection exception, transaction rollback,
 * insufficient resources, program limit exceeded, object not in prerequisite state, operator
 * intervention, system error, snapshot failure, configuration file error, foreign data wrapper,
 * TimescaleDB's own, internal error.
 */
export const DATABASE_CLASSES: ReadonlySet<string> = new Set(['08', '40', '53', '54', '55', '57', '58', '72', 'F0', 'HV', 'TS', 'XX'])
/**
 * Errors that no data of a row can cause, a closed list too: statement not complete, feature not
 * supported, locators, grantors, roles, cursor and transaction states, statement and cursor names,
 * authorization, dependent objects, savepoints, catalogs and schemas, syntax error or access rule
 * violation.
 */
const DEFECT_CLASSES: ReadonlySet<string> = new Set([
  '03',
  '0A',
  '0B',
  '0F',
  '0L',
  '0P',
  '24',
  '25',
  '26',
  '28',
  '2B',
  '2D',
  '34',
  '3B',
  '3D',
  '3F',
  '42',
])

const EXCEPTIONS: ReadonlyMap<string, Blame> = new Map([
  // The server closed a session that was idle within its transaction for too long, as after
  // SIGSTOP: the connection is lost.
  ['25P03', 'database'],
  // The server became a standby, as in a failover.
  ['25006', 'database'],
  // The other side does not take a message, or a setting that was asked for when connecting. It
  // will not the next time either.
  ['08P01', 'defect'],
  // The bytes are not binary COPY, or not of the column's type: the encoder is wrong. If it counted
  // as the row's, every row would become a dead letter.
  ['22P03', 'defect'],
  ['22P04', 'defect'],
])

/**
 * Blame by SQLSTATE (PostgreSQL documentation, appendix A). Any other code is the row's: data
 * exceptions (22), constraints (23, 44), and what a trigger raises (P0, or any code of its own). A
 * row is blamed only if it meets the error by itself too, which is tried.
 */
export function blame(sqlState: string): Blame {
  const exception = EXCEPTIONS.get(sqlState)
  if (exception !== undefined) return exception
  // Codes of sockets (EPIPE), of the driver and of this program are not the server's.
  if (!/^[0-9A-Z]{5}$/.test(sqlState) || /^E[A-Z]{4}$/.test(sqlState)) return 'defect'
  const sqlClass = sqlState.slice(0, 2)
  if (DATABASE_CLASSES.has(sqlClass)) return 'database'
  return DEFECT_CLASSES.has(sqlClass) ? 'defect' : 'row'
}

/** unique_violation: a repeat of a row that is there. */
export const UNIQUE_VIOLATION = '23505'

/**
 * Whether the database may take a smaller batch though it could not take this one: out of memory or
 * of locks (53200), a limit of the configuration (53400) or of the program (54), a statement that
 * took too long (57014).
 */
export function isTooMuch(code: string): boolean {
  return code === '53200' || code === '53400' || code === '57014' || (code.length === 5 && code.startsWith('54'))
}

/**
 * Errors of sockets and name lookup that pass by themselves (errno names, and EAI_ names of
 * getaddrinfo).
 */
const NETWORK_ERRORS: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** Whether a Node error code says that the network, not the program, is at fault. */
export function isNetworkError(code: string): boolean {
  return NETWORK_ERRORS.has(code)
}
