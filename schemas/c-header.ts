import { type Firmware, isMeasuring, type Metric, quantityOf } from './firmware.ts'

/** Name of a firmware's generated header: `hive-1` is in `hive_1.h`. */
export function cHeaderName(firmware: Firmware): string {
  return `${identifier(firmware.id)}.h`
}

/** Whether a firmware can have a C header: the encoder writes ints and milliseconds only. */
export function hasCHeader({ metrics, tickMicros, dtKind, clockCount }: Firmware): boolean {
  return metrics.every((metric) => metric.kind === 'int') && tickMicros === 1000 && dtKind === 'int' && clockCount === 2
}

/**
 * The C header of a firmware: the order of its metrics, its fingerprint, the type of a sample and
 * the only function that turns one into a row of the encoder. So a device cannot encode what its
 * registered schema does not say.
 */
export function cHeader(firmware: Firmware): string {
  if (!hasCHeader(firmware))
    throw new RangeError(
      `${firmware.id} has times that are not milliseconds, or metrics that are not arrays of int: the C encoder writes nothing else`,
    )
  const name = identifier(firmware.id)
  const macro = name.toUpperCase()
  return `/* Generated from schemas/firmware/${firmware.id}.avsc by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_${macro}_H
#define MILLRACE_GENERATED_${macro}_H

#include "millrace/schema.h"
#include "millrace/status.h"

#define ${macro}_METRICS ${firmware.metrics.length}

MILLRACE_STATIC_ASSERT(${name}_metrics_fit, ${macro}_METRICS <= MILLRACE_MAX_METRICS);

/* Place of each metric in a row of raw values. */
enum ${name}_metric {
${firmware.metrics.map((metric, index) => `  ${macro}_${metric.name.toUpperCase()} = ${index}`).join(',\n')}
};
${firmware.metrics.map((metric) => codes(name, metric)).join('')}
/* One sample in raw values. A field that is not measured holds its missing code. */
struct ${name}_sample {
${firmware.metrics.map((metric) => `  int32_t ${metric.name}; /* ${meaning(metric)} */`).join('\n')}
};

/* A sample without any reading: start from it and fill in what was measured. */
#define ${macro}_NO_READINGS {${firmware.metrics.map((metric) => literal(metric.missing)).join(', ')}}

static const int32_t ${name}_missing[${macro}_METRICS] = ${macro}_NO_READINGS;

static const struct millrace_schema ${name}_schema = {
    "${firmware.id}",
    {${[...firmware.fingerprint].map((byte) => `0x${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(', ')}},
    ${macro}_METRICS,
    ${name}_missing,
};

/* Conversion of each metric, for programs on a host. */
static const struct millrace_metric ${name}_metrics[${macro}_METRICS] = {
${firmware.metrics.map((metric) => `    ${conversion(name, metric)},`).join('\n')}
};

/* Turns a sample into a row of raw values in the schema's order.
 * OK; BAD_VALUE when a coded metric holds a code that the schema does not list. */
static inline enum millrace_status ${name}_row(const struct ${name}_sample *sample, int32_t row[${macro}_METRICS]) {
${firmware.metrics.map((metric) => check(metric)).join('')}${firmware.metrics
  .map((metric) => `  row[${macro}_${metric.name.toUpperCase()}] = sample->${metric.name};`)
  .join('\n')}
  return MILLRACE_OK;
}

#endif
`
}

/** The C header that names every firmware, for programs on a host that can be any of them. */
export function cFirmwaresHeader(firmwares: readonly Firmware[]): string {
  const named = firmwares.filter(hasCHeader)
  const ids = named.map(({ id }) => id)
  const names = ids.length > 1 ? `${ids.slice(0, -1).join(', ')} or ${ids.at(-1)}` : ids.join('')
  return `/* Generated from schemas/firmware by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_FIRMWARES_H
#define MILLRACE_GENERATED_FIRMWARES_H

${named.map((firmware) => `#include "${cHeaderName(firmware)}"`).join('\n')}

/* X(name) for each firmware: its schema is name##_schema, its metrics are name##_metrics. */
#define MILLRACE_FIRMWARES(X) ${ids.map((id) => `X(${identifier(id)})`).join(' ')}

/* For messages. */
#define MILLRACE_FIRMWARE_NAMES "${names}"

#endif
`
}

function identifier(id: string): string {
  return id.replace(/[^A-Za-z0-9]/g, '_').toLowerCase()
}

/**
 * INT32_MIN has no literal in C: -2147483648 is the negation of a number that does not fit an int.
 */
function literal(value: number): string {
  return value === -2147483648 ? 'INT32_MIN' : String(value)
}

/**
 * Programs find a metric by this. The parentheses keep a field without a quantity apart from a
 * quantity of the same name.
 */
function measured(metric: Metric): string {
  return isMeasuring(metric) ? quantityOf(metric) : `(${metric.name})`
}

function meaning(metric: Metric): string {
  if (!isMeasuring(metric)) return 'no standard quantity: carried, and left out'
  if (metric.map) return `${measured(metric)}: a code`
  const addend = metric.offset === '0' ? '' : metric.offset.startsWith('-') ? ` - ${metric.offset.slice(1)}` : ` + ${metric.offset}`
  return `${measured(metric)} = raw * ${metric.scale}${addend}`
}

function codes(name: string, metric: Metric): string {
  if (!metric.map) return ''
  const rows = [...metric.map].map(([code, value]) => `    {${literal(code)}, "${value}"},`)
  return `
/* Codes of ${metric.name} and the standard values they stand for. */
static const struct millrace_code ${name}_${metric.name}_codes[${metric.map.size}] = {
${rows.join('\n')}
};
`
}

function conversion(name: string, metric: Metric): string {
  const map = metric.map ? `${metric.map.size}, ${name}_${metric.name}_codes` : '0, 0'
  return `{"${metric.name}", "${measured(metric)}", ${metric.numerator}, ${metric.addend}, ${metric.denominator}, ${literal(metric.missing)}, ${map}}`
}

function check(metric: Metric): string {
  if (!metric.map) return ''
  const cases = [...new Set([...metric.map.keys(), metric.missing])].map((code) => `    case ${literal(code)}:`)
  return `  switch (sample->${metric.name}) {
${cases.join('\n')}
      break;
    default:
      return MILLRACE_BAD_VALUE;
  }
`
}
