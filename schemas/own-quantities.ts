import { isObject } from './json.ts'
import { parseQuantities, type Quantity, sampleFields } from './quantities.ts'
import { isReservedWord } from './reserved-words.ts'
import { isUnit } from './units.ts'

/** A row must fit a page of PostgreSQL's, and one has about 8 bytes for each value. */
const MOST = 500
const MOST_DOC_CHARACTERS = 1000
/** What a field has, and nothing else: what is spelt wrong must not be left out in silence. */
const ATTRIBUTES: readonly string[] = ['name', 'type', 'default', 'unit', 'minimum', 'maximum', 'doc']
const NAME = /^[a-z][a-z0-9_]{0,62}$/
const NAME_EXPECTED = 'expected 1 to 63 of a to z, 0 to 9 and _, with a letter first'
const TYPE = '["null","double"]'

/** A file of quantities that cannot be used. Each fault has a line: where, what was expected. */
export class OwnQuantitiesError extends Error {
  readonly code = 'OWN_QUANTITIES'
  readonly transient = false
}

/**
 * Reads the deployment's quantities: the fields of an Avro record, each as one of `Sample` in
 * readings.avsc.
 * @param schema the parsed file
 * @param readings parsed schemas/readings.avsc
 * @throws OwnQuantitiesError
 */
export function parseOwnQuantities(schema: unknown, readings: unknown): readonly Quantity[] {
  if (!isObject(schema) || schema.type !== 'record' || typeof schema.name !== 'string' || !Array.isArray(schema.fields))
    throw new OwnQuantitiesError(`expected an Avro record with a name and fields, got ${shown(schema)}`)
  const fields: readonly unknown[] = schema.fields
  if (fields.length === 0 || fields.length > MOST) throw new OwnQuantitiesError(`fields: expected 1 to ${MOST}, got ${fields.length}`)
  const standard = new Map(parseQuantities(readings).map((quantity) => [quantity.name, quantity]))
  const taken = takenNames(readings)
  const faults: string[] = []
  const own: Quantity[] = []
  const seen = new Set<string>()
  fields.forEach((field, index) => {
    const name = isObject(field) && typeof field.name === 'string' ? field.name : undefined
    const place = name === undefined ? `field ${index}` : `field ${name}`
    const found = isObject(field) ? faultsOf(field) : [`expected an object, got ${shown(field)}`]
    if (name !== undefined) {
      const ours = standard.get(name)
      if (ours !== undefined) found.unshift(explainTaken(ours))
      else if (taken.has(name)) found.unshift('name: it has another meaning in readings: expected another name')
      else if (seen.has(name)) found.unshift('name: expected once, got it twice')
      seen.add(name)
    }
    faults.push(...found.map((fault) => `${place}: ${fault}`))
    if (found.length === 0) own.push(quantityOf(field as FieldOfQuantity))
  })
  if (faults.length > 0) throw new OwnQuantitiesError(faults.join('\n'))
  return own
}

interface FieldOfQuantity extends Readonly<Record<string, unknown>>, Quantity {}

/** Without what only Avro needs. */
function quantityOf({ name, unit, minimum, maximum, doc }: FieldOfQuantity): Quantity {
  return { name, unit, minimum, maximum, doc }
}

function faultsOf(field: Readonly<Record<string, unknown>>): string[] {
  const { name, type, unit, minimum, maximum, doc } = field
  const faults: string[] = []
  const expect = (holds: boolean, attribute: string, expected: string, got: unknown): void => {
    if (!holds) faults.push(`${attribute}: ${expected}, got ${shown(got)}`)
  }
  const isName = typeof name === 'string' && NAME.test(name)
  expect(isName, 'name', NAME_EXPECTED, name)
  if (isName) expect(!isReservedWord(name), 'name', 'expected no word that SQL reserves', name)
  expect(JSON.stringify(type) === TYPE, 'type', `expected ${TYPE}`, type)
  expect(Object.hasOwn(field, 'default') && field.default === null, 'default', 'expected null', field.default)
  expect(isText(doc), 'doc', `expected what it means, in 1 to ${MOST_DOC_CHARACTERS} characters on one line`, doc)
  expect(typeof unit === 'string' && isUnit(unit), 'unit', 'expected a UCUM code, such as Cel, hPa or km/h (1 if it has no unit)', unit)
  expect(isNumber(minimum), 'minimum', 'expected a number', minimum)
  expect(isNumber(maximum), 'maximum', 'expected a number', maximum)
  if (isNumber(minimum) && isNumber(maximum)) expect(minimum < maximum, 'maximum', `expected more than the minimum, ${minimum}`, maximum)
  for (const attribute of Object.keys(field))
    if (!ATTRIBUTES.includes(attribute)) faults.push(`${shown(attribute)} is unknown: expected only ${ATTRIBUTES.join(', ')}`)
  return faults
}

/** A later release may have a quantity that a deployment had before it. */
function explainTaken({ unit, minimum, maximum, doc }: Quantity): string {
  return `name: this release has a quantity of that name (${unit}, from ${minimum} to ${maximum}: ${doc}). If yours means the same in that unit, delete it from this file: column and values stay. If not, rename yours here, and its column with ALTER TABLE readings RENAME COLUMN, before the services start (docs/quantities.md)`
}

/** Fields of a record or sample that are no quantities, and names that files and queries use. */
function takenNames(readings: unknown): ReadonlySet<string> {
  const head = isObject(readings) && Array.isArray(readings.fields) ? (readings.fields as readonly unknown[]) : []
  const names = [...head, ...sampleFields(readings)].map((field) => (isObject(field) ? String(field.name) : ''))
  return new Set([...names, 'time', 'device', 'channel', 'line', 'lines', 'adds', 'micros', 'quantity', 'quantities', 'constructor'])
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.length <= MOST_DOC_CHARACTERS && !/\p{Cc}/u.test(value)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/**
 * A schema of readings with more quantities at the end of its samples: BACKWARD compatible, as they
 * have a default.
 */
export function extended(readings: unknown, own: readonly Quantity[]): unknown {
  if (own.length === 0 || !isObject(readings) || !Array.isArray(readings.fields)) return readings
  const added = own.map(({ name, unit, minimum, maximum, doc }) => ({
    name,
    type: ['null', 'double'],
    default: null,
    unit,
    minimum,
    maximum,
    doc,
  }))
  return {
    ...readings,
    fields: readings.fields.map((field: unknown) => {
      if (!isObject(field) || field.name !== 'samples' || !isObject(field.type) || !isObject(field.type.items)) return field
      const items = { ...field.type.items, fields: [...sampleFields(readings), ...added] }
      return { ...field, type: { ...field.type, items } }
    }),
  }
}

let declared: readonly Quantity[] = []
let isTaken = false

/**
 * Declares the deployment's quantities, once and before anything of the program has looked at
 * `quantities` (schemas/generated/readings.ts). They are constants from then on.
 * @throws Error if that is too late: what was derived from them would lack these
 */
export function declareOwnQuantities(own: readonly Quantity[]): void {
  if (isTaken) throw new Error('the quantities were looked at before those of the deployment were declared: import that module later')
  declared = own
}

/** What was declared; nothing can be declared any more. */
export function ownQuantities(): readonly Quantity[] {
  isTaken = true
  return declared
}

/** The schema of readings of this deployment. */
export function withOwnQuantities(readings: unknown): unknown {
  return extended(readings, ownQuantities())
}
