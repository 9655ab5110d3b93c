/** Everything that comes later queues up behind a lock that waits. */
export const LOCK_TIMEOUT_MS = 100

/** All who make or drop partitions of `readings`, those of earlier versions too, take turns. */
export const BEGIN_TURN = `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
  SELECT pg_advisory_xact_lock(hashtextextended('millrace partitions of readings', 0))`

/** The roll-ups need not hear of rows of this transaction: it changes no figure of theirs. */
export const UNMARKED = "SET LOCAL millrace.marks = 'on'"
