import { z } from 'zod'
import { parsePath, parseTemplate } from './dialect-path.ts'
import { isObject } from './json.ts'
import { isUnit } from './units.ts'

/** An object with these keys and no others. */
export function keys<const Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `expected only the keys ${Object.keys(shape).join(', ')}, got ${issue.keys.join(', ')}`
        : issue.code === 'invalid_type'
          ? `expected an object with ${Object.keys(shape).join(', ')}`
          : undefined,
  })
}

/** One of several kinds, told by how the value looks, so that an error is about what was meant. */
export function choose<Out>(pick: (value: unknown) => z.ZodType<Out>): z.ZodType<Out> {
  return z.unknown().transform((value, context) => {
    const result = pick(value).safeParse(value, { reportInput: true })
    if (result.success) return result.data
    for (const issue of result.error.issues)
      context.issues.push({ code: 'custom', path: [...issue.path], message: issue.message, input: issue.input })
    return z.NEVER
  })
}

/** What `parse` makes of a text; what it throws says what was expected. */
export function text<Out>(parse: (text: string) => Out, expected = 'expected text'): z.ZodType<Out> {
  return z.string({ error: expected }).transform((value, context) => {
    try {
      return parse(value)
    } catch (cause) {
      if (!(cause instanceof RangeError || cause instanceof Error)) throw cause
      context.issues.push({ code: 'custom', message: cause.message, input: value })
      return z.NEVER
    }
  })
}

/** One, or a list of them. */
export function several<Out>(one: z.ZodType<Out>): z.ZodType<readonly Out[]> {
  const list = z.array(one).min(1, { error: 'expected at least one' })
  return choose((value) => (Array.isArray(value) ? list : one.transform((only): readonly Out[] => [only])))
}

export const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'expected text, a number, true or false' })
export const path = text(parsePath, 'expected a path, as in $.temperature')
export const paths = several(path)
export const template = text(parseTemplate, 'expected text, as in "{device}"')
export const nonEmpty = z.string({ error: 'expected text' }).min(1, { error: 'expected text of at least one character' })
export const decimal = z
  .string({ error: 'expected a decimal in quotes, as in "0.01", so that it stays exact' })
  .regex(/^[+-]?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?$/, { error: 'expected a decimal in quotes, as in "0.01"' })
export const ucum = z
  .string({ error: 'expected a UCUM code, as in Cel or mV' })
  .refine(isUnit, { error: 'expected a UCUM code (case counts), as in Cel, mV, "[degF]" or "%"' })
export const count = z.int({ error: 'expected an integer' }).min(0, { error: 'expected an integer from 0 on' })

/** Keys of any name, in their order. `z.record` would leave out `__proto__`. */
export function mapOf<Out>(value: z.ZodType<Out>): z.ZodType<ReadonlyMap<string, Out>> {
  return z
    .custom<Record<string, unknown>>(isObject, { error: 'expected an object, as in { on: 1, off: 0 }' })
    .transform((given, context) => {
      const map = new Map<string, Out>()
      for (const [key, each] of Object.entries(given)) {
        const result = value.safeParse(each, { reportInput: true })
        if (result.success) map.set(key, result.data)
        else
          for (const issue of result.error.issues)
            context.issues.push({ code: 'custom', path: [key, ...issue.path], message: issue.message, input: issue.input })
      }
      return map
    })
}
