import { readFileSync } from 'node:fs'
import type { FirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import { firmwareSubject } from '../../processors/topics.ts'
import { type Conversion, conversion } from '../../schemas/conversion.ts'
import { type Dialect, DialectError, type QuantityRule } from '../../schemas/dialect.ts'
import { type Firmware, isMeasuring, type Metric, quantityOf } from '../../schemas/firmware.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { type ConfiguredDialects, dialectFiles } from '../dialect/files.ts'

/** What a firmware or dialect measures. */
export interface Measure {
  /** Field of the frame, or path in the message. */
  readonly field: string
  /** Standard quantity, with its channel as in `brood/temperature`. */
  readonly quantity: string
  /** UCUM code of the standard unit. */
  readonly unit: string
  /** How a value becomes one in the standard unit, for people. */
  readonly conversion: string
}

/** A firmware that the registry has, or a dialect of the configuration. */
export interface KnownFirmware {
  /** As readings have it: hive-1, tasmota@3. */
  readonly name: string
  readonly kind: 'firmware' | 'dialect'
  /** Fingerprints of its schemas as hexadecimal; none for a dialect. */
  readonly fingerprints: readonly string[]
  readonly measures: readonly Measure[]
  /** Fields of its frames that have no standard quantity: carried, and left out. */
  readonly carried: readonly string[]
  /** Why nothing can be read with it; null if it can. */
  readonly problem: string | null
}

/** Those of the registry, and those that a service once read from it. */
export function registeredFirmwares(directory: Pick<FirmwareDirectory, 'fingerprints' | 'firmwareOf'>): readonly KnownFirmware[] {
  const found = new Map<string, KnownFirmware>()
  for (const fingerprint of directory.fingerprints().keys()) {
    const lookup = directory.firmwareOf(fingerprint)
    if (lookup.tag === 'unknown') continue
    const name = lookup.tag === 'known' ? lookup.firmware.id : nameIn(lookup.detail)
    const before = found.get(name)
    found.set(name, {
      name,
      kind: 'firmware',
      fingerprints: [...(before?.fingerprints ?? []), fingerprint],
      measures: lookup.tag === 'known' ? measuresOf(lookup.firmware, before?.measures ?? []) : (before?.measures ?? []),
      carried: [...new Set([...(before?.carried ?? []), ...(lookup.tag === 'known' ? carriedOf(lookup.firmware) : [])])],
      problem: lookup.tag === 'invalid' ? lookup.detail : (before?.problem ?? null),
    })
  }
  return [...found.values()]
}

const SUBJECT = new RegExp(`^${firmwareSubject('millrace.firmware.').replaceAll('.', '\\.')}([^:]*)\\.V(\\w+)(?=:|$)`)

/** A schema that cannot be used has no name but that of its subject. */
function nameIn(detail: string): string {
  const [, model, version] = SUBJECT.exec(detail) ?? []
  return model === undefined || version === undefined ? (detail.split(':')[0] ?? detail) : `${model}-${version}`
}

/** Of several schemas of one firmware: what any of them measures. */
function measuresOf({ metrics }: Firmware, before: readonly Measure[]): readonly Measure[] {
  const all = new Map(before.map((measure) => [measure.field, measure]))
  for (const metric of metrics.filter(isMeasuring))
    all.set(metric.name, {
      field: metric.name,
      quantity: quantityOf(metric),
      unit: unitOf(metric.standard),
      conversion: conversionOfMetric(metric),
    })
  return [...all.values()]
}

function carriedOf({ metrics }: Firmware): readonly string[] {
  return metrics.filter((metric) => !isMeasuring(metric)).map(({ name }) => name)
}

function conversionOfMetric({ scale, offset, map }: Metric): string {
  if (map !== undefined) return [...map].map(([code, value]) => `${code} → ${value}`).join(', ')
  return formula('raw', scale, offset)
}

function formula(value: string, scale: string, offset: string): string {
  const times = Number(scale) === 1 ? value : `${value} × ${scale}`
  if (Number(offset) === 0) return times
  return offset.startsWith('-') ? `${times} − ${offset.slice(1)}` : `${times} + ${offset.replace(/^\+/, '')}`
}

function unitOf(name: string): string {
  return quantities.find((quantity) => quantity.name === name)?.unit ?? '?'
}

/**
 * Dialects of the configuration, in its order. Of two with one name, only the first is in use. A
 * file that is no dialect is a problem under its path.
 */
export function configuredDialects({ dialects }: ConfiguredDialects): readonly KnownFirmware[] {
  const found = new Map<string, KnownFirmware>()
  const names = new Set<string>()
  for (const { path } of dialectFiles(dialects.map((entry) => entry.path))) {
    const read = readDialect(path)
    if (typeof read === 'string') {
      found.set(path, { name: path, kind: 'dialect', fingerprints: [], measures: [], carried: [], problem: read })
      continue
    }
    if (names.has(read.name)) continue
    names.add(read.name)
    const name = `${read.name}@${read.version}`
    found.set(name, { name, kind: 'dialect', fingerprints: [], measures: measuresOfDialect(read), carried: [], problem: null })
  }
  return [...found.values()]
}

function readDialect(path: string): Dialect | string {
  try {
    return parseDialect(readFileSync(path, 'utf8'), path)
  } catch (cause) {
    if (cause instanceof DialectError) return cause.message
    throw cause
  }
}

/** One of many rules for a quantity says enough, if it is the same field and conversion. */
export function measuresOfDialect({ samples }: Dialect): readonly Measure[] {
  const all = new Map<string, Measure>()
  for (const rule of samples) {
    const measures =
      rule.quantities === 'standard'
        ? [{ field: 'any', quantity: 'any, by its own name', unit: 'standard', conversion: 'value' }]
        : rule.quantities.map(measureOfRule)
    for (const measure of measures) all.set(JSON.stringify(measure), measure)
  }
  return [...all.values()]
}

function measureOfRule({ quantity, paths, named, map, unit }: QuantityRule): Measure {
  const field = [...named.map((pattern) => `named ${pattern}`), ...paths.map(({ text }) => text)].join(', ')
  const told = unit.kind === 'fixed' ? exactFormula(unit.conversion) : 'by the unit that the message gives'
  const codes = map === undefined ? '' : `${[...map].map(([from, to]) => `${from} → ${to}`).join(', ')}; else `
  return { field: field === '' ? 'the value' : field, quantity, unit: unitOf(quantity), conversion: `${codes}${told}` }
}

function exactFormula({ numerator, denominator, addend }: Conversion): string {
  const times = conversion(numerator, denominator, 0n)
  const plus = conversion(addend, denominator, 0n)
  const factor = fraction(times)
  const scaled = factor === '1' ? 'value' : `value × ${factor}`
  if (addend === 0n) return scaled
  const summand = fraction({ ...plus, numerator: plus.numerator < 0n ? -plus.numerator : plus.numerator })
  return `${scaled} ${addend < 0n ? '−' : '+'} ${summand}`
}

/** A short decimal if it is one, else as a fraction: 0.001, 5/9. */
function fraction({ numerator, denominator }: Pick<Conversion, 'numerator' | 'denominator'>): string {
  if (denominator === 1n) return String(numerator)
  let rest = denominator
  for (const prime of [2n, 5n]) while (rest % prime === 0n) rest /= prime
  const text = String(Number(numerator) / Number(denominator))
  return rest === 1n && text.length <= 10 ? text : `${numerator}/${denominator}`
}
