import { quantities } from '../../schemas/generated/readings.ts'
import { isObject } from '../../schemas/json.ts'
import { printable } from '../shown.ts'
import { RepeatedMember } from './codecs/codec.ts'
import type { Reason } from './reasons.ts'
import { placeText, type Scope } from './scope.ts'
import { shownValue } from './shown-value.ts'

/**
 * Names that are no quantity are left out one by one if they are few and short. If not, the sample
 * that has them is left out.
 */
const MOST_STRANGE_NAMES = 20
const MOST_NAME_CHARACTERS = 64

const INDEXES: ReadonlyMap<string, number> = new Map(quantities.map(({ name }, index) => [name, index]))
const NAMES = quantities.map(({ name }) => name).join(', ')

/** Is told of what cannot be taken: a quantity by its name, or the whole sample. */
export type Refuse = (reason: Reason, quantity: string | undefined, detail: string) => void

/**
 * Takes each member of a record that is named as a standard quantity. It must be a JSON number in
 * the standard unit, or null: whoever uses the standard names means the standard, so text is a
 * mistake, and so is a name that is none.
 * @param values by index of `quantities`
 * @param known names that have another meaning in the dialect
 * @returns how many readings there are; -1 if the sample as a whole is refused
 */
export function readStandard(scope: Scope, values: number[], known: ReadonlySet<string>, refuse: Refuse): number {
  const { record } = scope
  if (!isObject(record)) {
    refuse('bad-value', undefined, `${placeText(scope.place)}: expected an object, got ${shownValue(record)}`)
    return -1
  }
  let readings = 0
  let strange = 0
  for (const name in record) {
    const value = record[name]
    const index = INDEXES.get(name)
    if (index !== undefined && typeof value === 'number' && Number.isFinite(value)) {
      // There is no negative zero in the standard quantities.
      values[index] = value + 0
      readings++
    } else if (index !== undefined) {
      if (value === null) continue
      if (typeof value === 'bigint') {
        values[index] = Number(value)
        readings++
      } else if (value instanceof RepeatedMember)
        refuse('repeated-name', name, `${name} (${placeText(scope.place)}): expected once, got ${value}`)
      else refuse('bad-value', name, `${name} (${placeText(scope.place)}): expected a finite number or null, got ${shownValue(value)}`)
    } else if (!known.has(name)) {
      const isShort = name.length <= MOST_NAME_CHARACTERS
      const shown = printable(JSON.stringify(isShort ? name : `${name.slice(0, MOST_NAME_CHARACTERS)}…`))
      const detail = `${placeText(scope.place)}: ${shown} is no standard quantity; expected ${NAMES}`
      refuse('unknown-quantity', isShort && ++strange <= MOST_STRANGE_NAMES ? name : undefined, detail)
      if (!isShort || strange > MOST_STRANGE_NAMES) return -1
    }
  }
  return readings
}
