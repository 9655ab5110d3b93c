/** Codes that people write in another way, longer ones first (schemas/units.ts has the codes). */
const WRITTEN: readonly (readonly [code: RegExp, written: string])[] = [
  [/dB\[mW\]/g, 'dBm'],
  [/\bCel\b/g, '°C'],
  [/\[degF\]/g, '°F'],
  [/\[ppm\]/g, 'ppm'],
  [/\[ppb\]/g, 'ppb'],
  [/\[pH\]/g, 'pH'],
  [/\[g\]/g, 'g'],
  [/\bdeg\b/g, '°'],
  [/\bOhm\b/g, 'Ω'],
  [/\bu(?=[A-Za-z])/g, 'µ'],
  [/^\/min$/, 'rpm'],
  [/^\//, '1/'],
  [/(?<=[A-Za-z])2\b/g, '²'],
  [/(?<=[A-Za-z])3\b/g, '³'],
  [/\./g, '·'],
  [/\bkW·h\b/g, 'kWh'],
  [/\bV·A\b/g, 'VA'],
]

/** A unit of the schema (UCUM) as people write it; empty for the unit of a bare number. */
export function unitLabel(code: string): string {
  if (code === '1') return ''
  return WRITTEN.reduce((label, [part, written]) => label.replace(part, written), code)
}
