import type { ReasonDoc } from '../contract.ts'
import { MOST_DAYS } from '../time-bounds.ts'

/** Why the store rejects a record, or a sample of it. */
export const reasons = {
  undecodable: {
    means: 'The record is not Readings as the schema with its ID says, or its whole batch cannot be read: the detail has the offsets.',
    whatToDo: 'The detail names the place. Find what produced it; redrive once the schema is registered, if that was missing.',
  },
  'unknown-schema': {
    means: 'The registry has no schema with the ID that the record carries.',
    whatToDo: 'Was the registry restored from an older backup? Register the schema again and redrive.',
  },
  'time-out-of-range': {
    means:
      'The time of the sample is more than 10 years (time.oldest_years) before or 1 day after the receipt of its frame; it would make a partition of its own.',
    whatToDo: 'Find what wrote it: standardise rejects such samples itself.',
  },
  'span-too-long': {
    means: `The samples of the record fall on more than ${MOST_DAYS} days (UTC): more partitions than one transaction should create.`,
    whatToDo: 'Find what wrote it: standardise rejects such frames itself.',
  },
  'row-refused': {
    means: 'The database refuses the row: a constraint or a trigger, or a value; the detail has the SQLSTATE and the message.',
    whatToDo: 'Look at the value. If a constraint of your own refused it, change the constraint and redrive.',
  },
} as const satisfies Record<string, ReasonDoc>

export type Reason = keyof typeof reasons
