import { z } from 'zod'
import { quantities } from '../../../schemas/generated/readings.ts'

/** A text that a database can hold: PostgreSQL has no NUL. */
const text = z.string().refine((given) => !given.includes('\0'), 'expected a text without NUL')
/** As in readings: a device, or one of its channels. */
const deviceId = text.min(1).max(256)
const number = z.string().regex(/^\d{1,18}$/)
const time = z.coerce.number().min(0).max(4_102_444_800_000)
const quantity = z.string().refine((name) => quantities.some((each) => each.name === name), 'expected a quantity of the schema')

/** A list in JSON: names may have any character. */
function listOf<Item extends z.ZodType>(item: Item, most: number): z.ZodType<z.output<Item>[]> {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch (cause) {
        if (!(cause instanceof SyntaxError)) throw cause
        context.addIssue('expected a list in JSON')
        return z.NEVER
      }
    })
    .pipe(z.array(item).max(most)) as z.ZodType<z.output<Item>[]>
}

/** GET api/devices/list */
export const listQuery = z.object({
  search: text.max(100).default(''),
  account: number.optional(),
  site: number.optional(),
  state: z.enum(['init', 'ready', 'sleeping', 'lost', 'silent', 'unknown']).optional(),
  after: deviceId.optional(),
})

/** GET api/devices/one */
export const oneQuery = z.object({ device: deviceId })

/** More lines than a chart can show. */
const MOST_CHANNELS = 50

/** GET api/devices/history */
export const historyQuery = z
  .object({
    ids: listOf(deviceId, MOST_CHANNELS),
    quantities: listOf(quantity, 100),
    from: time,
    to: time,
    /** Time buckets that the chart has room for. */
    points: z.coerce.number().int().min(150).max(2_000).default(600),
  })
  .refine(({ from, to }) => from < to, 'expected "from" before "to"')

/** GET api/devices/day */
export const dayQuery = z.object({ site: number, quantity })

/** GET api/devices/sites */
export const sitesQuery = z.object({})

/** The parameter of the feed `site:NUMBER`. */
export const siteNumber = number

export type ListQuery = z.output<typeof listQuery>

/** @returns what is wrong, in a line, if it is not as expected */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
): { readonly query: z.output<Schema> } | { readonly fault: string } {
  const parsed = schema.safeParse(given)
  if (parsed.success) return { query: parsed.data }
  return { fault: parsed.error.issues.map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': ')).join('; ') }
}
