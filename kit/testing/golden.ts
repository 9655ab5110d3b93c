import { isDeepStrictEqual } from 'node:util'
import type { Processor } from '../../processors/contract.ts'
import { checkProcessor } from './check.ts'
import { differences, shownValue } from './differences.ts'
import type { Outputs, RecordOutcome } from './feed.ts'
import { goldenOutcomes, readExpected, readGolden, writeExpected } from './golden-folder.ts'

export interface GoldenOptions {
  /**
   * Whether the folder is given what the processor does now, in place of comparing. Otherwise the
   * variable MILLRACE_GOLDEN says so: `rewrite`.
   */
  readonly rewrite?: boolean
}

/** A processor gives something else than its golden folder expects. */
export class GoldenError extends Error {
  readonly code = 'GOLDEN'
  readonly transient = false
}

/** Differences that a message names. */
const MOST_SHOWN = 10

/**
 * Runs a processor over the records of a golden folder, with `checkProcessor`, and compares what
 * came of each with what the folder expects: outputs in their order, drops, dead letters.
 * @param folder its path, from the working directory
 * @returns what became of each record
 * @throws GoldenError that names the first differences by field
 * @throws GoldenFolderError if the folder cannot be read
 * @throws ProcessorCheckError, LookupNotGivenError
 */
export function checkGolden<Item, To extends Outputs>(
  processor: Processor<Item, To>,
  folder: string,
  { rewrite = process.env.MILLRACE_GOLDEN === 'rewrite' }: GoldenOptions = {},
): readonly RecordOutcome[] {
  const { records, lookups } = readGolden(folder)
  const outcomes = checkProcessor(processor, records, lookups)
  // As they would be read from the folder.
  const actual = JSON.parse(JSON.stringify(goldenOutcomes(processor.to, outcomes))) as readonly RecordOutcome[]
  if (rewrite) {
    writeExpected(folder, records, actual)
    return outcomes
  }
  const expected = readExpected(folder, records)
  if (isDeepStrictEqual(expected, actual)) return outcomes
  const found: string[] = []
  let more = 0
  for (const [index, { key }] of records.entries())
    for (const { field, expected: was, actual: is } of differences(expected[index], actual[index])) {
      if (found.length < MOST_SHOWN)
        found.push(`record ${index}${key === null ? '' : ` (${key})`}: ${field}: expected ${shownValue(was)}, got ${shownValue(is)}`)
      else more++
    }
  const lines = more === 0 ? found : [...found, `… and ${more} more`]
  if (lines.length === 0) return outcomes
  throw new GoldenError(
    [`${folder}: it is not what the folder expects:`, ...lines, 'If it is right now: MILLRACE_GOLDEN=rewrite'].join('\n  '),
  )
}
