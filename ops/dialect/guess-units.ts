import { quantities } from '../../schemas/generated/readings.ts'
import { conversionOf } from '../../schemas/units.ts'
import { wordsOf } from './guess-quantity.ts'
import { type Leaf, namesOf } from './leaves.ts'

/** What messages call units, in small letters. Case is no help: firmwares write MV and mv. */
const CALLED: Readonly<Record<string, string>> = {
  c: 'Cel',
  '°c': 'Cel',
  degc: 'Cel',
  cel: 'Cel',
  celsius: 'Cel',
  f: '[degF]',
  '°f': '[degF]',
  degf: '[degF]',
  fahrenheit: '[degF]',
  k: 'K',
  '%': '%',
  '%rh': '%',
  '%el': '%',
  '/': '1',
  hpa: 'hPa',
  mbar: 'mbar',
  pa: 'Pa',
  kpa: 'kPa',
  bar: 'bar',
  mmhg: 'mm[Hg]',
  inhg: "[in_i'Hg]",
  psi: '[psi]',
  v: 'V',
  mv: 'mV',
  a: 'A',
  ma: 'mA',
  w: 'W',
  kw: 'kW',
  wh: 'W.h',
  kwh: 'kW.h',
  va: 'V.A',
  hz: 'Hz',
  lx: 'lx',
  lux: 'lx',
  dbm: 'dB[mW]',
  dbw: 'dB[W]',
  db: 'dB',
  ppm: '[ppm]',
  kg: 'kg',
  g: 'g',
  m: 'm',
  cm: 'cm',
  mm: 'mm',
  'km/h': 'km/h',
  'm/s': 'm/s',
  'mm/s': 'mm/s',
  lat: 'deg',
  lon: 'deg',
  deg: 'deg',
  l: 'L',
  m3: 'm3',
  'm³': 'm3',
  'µg/m³': 'ug/m3',
  'ug/m3': 'ug/m3',
}

/** The UCUM code of what a message calls a unit. */
export function unitCode(called: string): string | undefined {
  const code = called.trim().toLowerCase()
  return Object.hasOwn(CALLED, code) ? CALLED[code] : undefined
}

/**
 * What the messages call units → UCUM codes, if the quantity can have them all.
 * @returns undefined if one of them is no unit of the quantity
 */
export function unitMap(called: Iterable<string>, quantity: string): ReadonlyMap<string, string> | undefined {
  const standard = quantities.find(({ name }) => name === quantity)?.unit
  const map = new Map<string, string>()
  for (const each of called) {
    const code = unitCode(each)
    if (code === undefined || standard === undefined || conversionOf(code, standard) === undefined) return undefined
    map.set(each, code)
  }
  return map.size > 0 ? map : undefined
}

/** A text such as `TempUnit` that gives the unit of a quantity, which it begins like. */
export function unitLeaf(
  leaves: readonly Leaf[],
  quantity: string,
): { readonly leaf: Leaf; readonly map: ReadonlyMap<string, string> } | undefined {
  for (const leaf of leaves) {
    const words = wordsOf(namesOf(leaf.steps).at(-1) ?? '')
    if (!words.some((word) => word === 'unit' || word === 'units' || word === 'uom')) continue
    if (!words.some((word) => word.length >= 4 && quantity.startsWith(word))) continue
    const map = unitMap(
      leaf.values.flatMap(({ value }) => (typeof value === 'string' ? [value] : [])),
      quantity,
    )
    if (map !== undefined) return { leaf, map }
  }
  return undefined
}
