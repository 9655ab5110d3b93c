import type { z } from 'zod'
import { shownAddress } from '../processors/address.ts'
import { ConfigError } from './config-file.ts'

/** The place of what comes from the environment. */
export const ENVIRONMENT = 'environment'

/** @throws ConfigError that names each setting that is wrong, what it is and what was expected */
export function checkSettings<Schema extends z.ZodType>(place: string, schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  const lines = result.error.issues.map(mostSpecific).map((issue) => {
    const where = [place, ...issue.path.map(String)].join(': ').replace(/: (?=[^:]*$)/, ': ')
    const given = issue.code === 'unrecognized_keys' || issue.input === undefined ? '' : shownInput(place, issue.path, issue.input)
    return `${where}: ${issue.message}${given}`
  })
  throw new ConfigError(lines.join('\n'))
}

/**
 * A setting may have several forms. The one that is wrong at the deepest place is the one that was
 * meant.
 */
function mostSpecific(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const [found] = issue.errors.flatMap(([first]) => (first === undefined ? [] : [first])).sort((a, b) => b.path.length - a.path.length)
  return found === undefined || found.path.length === 0 ? issue : mostSpecific({ ...found, path: [...issue.path, ...found.path] })
}

/** Never shows a password, neither a variable's nor one in an address. */
function shownInput(place: string, path: readonly PropertyKey[], input: unknown): string {
  if (String(path.at(-1)).endsWith('_PASSWORD')) return ''
  // Zod gives the whole environment for a variable that is missing.
  if (place === ENVIRONMENT && typeof input !== 'string') return ''
  return `, got ${JSON.stringify(typeof input === 'string' ? shownAddress(input) : input)}`
}
