/**
 * Whose trouble an error is. `database`: back off and try again, never dead-letter. `row`: that row's data, everything else can go on.
 * `defect`: ours or the operator's (a missing table, a wrong password); repeating it does not help.
 */
export type Blame = 'database' | 'row' | 'defect'

/** Connection exception, transaction rollback, insufficient resources, object not in prerequisite state, operator intervention. */
const DATABASE_CLASSES: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57'])
/** Data exception, integrity constraint violation. */
const ROW_CLASSES: ReadonlySet<string> = new Set(['22', '23'])

const EXCEPTIONS: ReadonlyMap<string, Blame> = new Map([
  // The server closed a session that was idle within its transaction for too long, as after SIGSTOP: the connection is lost.
  ['25P03', 'database'],
  // Bytes that are not binary COPY, or not of the column's type: the encoder's doing. As the row's, it would dead-letter every row.
  ['22P03', 'defect'],
  ['22P04', 'defect'],
])

/** Blame by SQLSTATE (PostgreSQL documentation, appendix A). Unknown is a defect. */
export function blame(sqlState: string): Blame {
  const exception = EXCEPTIONS.get(sqlState)
  if (exception !== undefined) return exception
  const sqlClass = sqlState.slice(0, 2)
  if (DATABASE_CLASSES.has(sqlClass)) return 'database'
  if (ROW_CLASSES.has(sqlClass)) return 'row'
  return 'defect'
}

/** unique_violation: a repeat of a row that is there. */
export const UNIQUE_VIOLATION = '23505'

/** Errors of sockets and name lookup that pass by themselves (errno names, and EAI_ names of getaddrinfo). */
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
