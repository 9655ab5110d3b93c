/** One figure of a metrics page. */
export interface MetricSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', '"': '"', '\\': '\\' }

/**
 * Reads Prometheus's text format (version 0.0.4, "Text-based format"). Lines that are no figures
 * are left out.
 */
export function parseMetrics(text: string): readonly MetricSample[] {
  return text.split('\n').flatMap((line) => {
    const match = line.startsWith('#') ? null : LINE.exec(line.trim())
    const [, name, labels, value] = match ?? []
    return name === undefined || value === undefined ? [] : [{ name, labels: parseLabels(labels ?? ''), value: parseValue(value) }]
  })
}

/** Sum over all labels of a name; undefined if the page does not have it. */
export function total(samples: readonly MetricSample[], name: string): number | undefined {
  const found = samples.filter((sample) => sample.name === name)
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}

/** A name's figures by the value of one label. */
export function byLabel(samples: readonly MetricSample[], name: string, label: string): ReadonlyMap<string, number> {
  return new Map(
    samples.filter((sample) => sample.name === name && label in sample.labels).map(({ labels, value }) => [labels[label] ?? '', value]),
  )
}

function parseLabels(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [
      name,
      value.replace(/\\(.)/g, (sequence, character: string) => ESCAPES[character] ?? sequence),
    ]),
  )
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  return Number(text)
}
