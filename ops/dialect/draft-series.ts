import type { DraftQuantity, DraftRule } from './draft-parts.ts'
import { channelName, missingYaml, quoted, range, short, unitYaml } from './draft-yaml.ts'
import { guessQuantity, type QuantityGuess } from './guess-quantity.ts'
import { MISSING } from './guess-records.ts'
import { groupBy } from './guess-topics.ts'
import { unitMap } from './guess-units.ts'
import { numberOf } from './leaves.ts'

/** A dialect with a rule for each of more names is none that a person corrects. */
export const MOST_NAMES = 200

/** Values of one name. */
export interface Series {
  readonly name: string
  readonly numbers: { readonly minimum: number; readonly maximum: number } | undefined
  readonly units: ReadonlySet<string>
  /** Texts beside numbers, as in nan. */
  readonly texts: ReadonlySet<string>
  /** Types beside numbers and texts. */
  readonly others: readonly string[]
  /** The devices, or the like, that have it. */
  readonly owners: ReadonlySet<string>
  readonly guess: QuantityGuess | undefined
}

export function makeSeries(name: string, values: readonly unknown[], owners: ReadonlySet<string>, units: readonly unknown[] = []): Series {
  const numbers = values.map(numberOf).filter((value) => value !== undefined)
  const seen = numbers.length === 0 ? undefined : { minimum: Math.min(...numbers), maximum: Math.max(...numbers) }
  const texts = new Set(values.filter((value): value is string => typeof value === 'string' && numberOf(value) === undefined))
  const told = new Set(units.filter((unit): unit is string => typeof unit === 'string'))
  const isClean = values.every((value) => typeof value !== 'boolean') && [...texts].every((text) => MISSING.test(text))
  // The unit that the message gives fits better than one by the numbers alone.
  const byName = guessQuantity([name], undefined)
  const isTold = byName !== undefined && told.size > 0 && unitMap(told, byName.quantity) !== undefined
  const isKnown = isClean && (seen !== undefined || texts.size > 0)
  const guess = isKnown ? (isTold ? byName : guessQuantity([name], seen)) : undefined
  const others = new Set(
    values.flatMap((value) =>
      typeof value === 'boolean' ? ['true or false'] : value === null ? ['null'] : typeof value === 'object' ? ['object or list'] : [],
    ),
  )
  return { name, numbers: seen, units: told, texts, others: [...others], owners, guess }
}

/** Rules for values that are told apart by a name; two names of one quantity get channels. */
export function draftSeries(
  series: readonly Series[],
  named: { readonly name: string; readonly value: string; readonly unit: string | undefined },
  { each, keys }: Pick<DraftRule, 'each' | 'keys'>,
  channelOf: (name: string) => string = channelName,
): { readonly rules: readonly DraftRule[]; readonly left: readonly string[] } {
  const byQuantity = groupBy(
    series.filter(({ guess }) => guess !== undefined),
    ({ guess }) => guess?.quantity ?? '',
  )
  const pair = [`name: ${named.name}`, `value: ${named.value}`]
  const main: DraftQuantity[] = []
  const extra: DraftRule[] = []
  for (const [quantity, alternatives] of byQuantity) {
    const sorted = [...alternatives].sort((a, b) => (b.guess?.score ?? 0) - (a.guess?.score ?? 0))
    // Two names that no device has both are two words for one thing.
    const same = sorted.filter((one, at) => sorted.slice(0, at).every((other) => isDisjoint(one.owners, other.owners)))
    main.push({
      quantity,
      yaml: alternativesYaml(same, named.unit, quantity),
      comment: `guess: ${same.slice(0, 3).map(shownNumbers).join('; ')}`,
    })
    for (const one of sorted.filter((other) => !same.includes(other)))
      extra.push({
        each,
        keys: [...keys.filter((key) => !key.startsWith('channel:')), `channel: ${quoted(channelOf(one.name))}  # guess`, ...pair],
        quantities: [{ quantity, yaml: alternativesYaml([one], named.unit, quantity), comment: `guess: ${shownNumbers(one)}` }],
      })
  }
  const left = series.filter(({ guess }) => guess === undefined).map((one) => `${one.name}: ${shownNumbers(one)}`)
  const rules = main.length === 0 ? [] : [...extra, { each, keys: [...keys, ...pair], quantities: main }]
  return { rules, left }
}

function isDisjoint(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return ![...a].some((each) => b.has(each))
}

/** Names of one quantity: in one list if all else is the same. */
function alternativesYaml(series: readonly Series[], unitPath: string | undefined, quantity: string): string {
  const groups = groupBy(series, (one) => restYaml(one, unitPath, quantity))
  const parts = [...groups].map(([rest, each]) => {
    const names = [...new Set(each.map(({ name }) => quoted(patternOf(name))))]
    return `{ named: ${names.length === 1 ? names[0] : `[${names.join(', ')}]`}${rest} }`
  })
  return parts.length === 1 ? (parts[0] ?? '') : `[${parts.join(', ')}]`
}

/** What precedes the last part of a name is often the device's own address. */
function patternOf(name: string): string {
  return /^urn:|[0-9A-Fa-f]{12}/.test(name) ? `*${name.split(/[:/]/).at(-1)}` : name
}

function restYaml(one: Series, unitPath: string | undefined, quantity: string): string {
  const map = unitPath === undefined || one.units.size === 0 ? undefined : unitMap(one.units, quantity)
  const unit =
    map === undefined || unitPath === undefined
      ? unitYaml(one.guess)
      : `, unit: { path: ${quoted(unitPath)}, map: { ${[...map].map(([called, code]) => `${quoted(called)}: ${quoted(code)}`).join(', ')} } }`
  return `${unit}${missingYaml(one.texts)}`
}

function shownNumbers({ numbers, units, texts, others }: Series): string {
  const told = units.size === 0 ? '' : ` ${[...units].join(', ')}`
  const parts = [
    ...(numbers === undefined ? [] : [`number ${range(numbers)}${told}`]),
    ...(texts.size === 0 ? [] : [`text ${[...texts].slice(0, 3).map(short).join(', ')}`]),
    ...others,
  ]
  return parts.join(' or ')
}
