import type { Firmware, Metric } from '../../schemas/firmware.ts'

/**
 * The schema that a firmware is read from: its fields as they are written, with the attributes that
 * it is converted by. parseFirmware gives the same firmware of it.
 */
export function firmwareSchema({ canonical, metrics, tickMicros }: Firmware): unknown {
  const schema = JSON.parse(canonical) as { readonly name: string; readonly fields: readonly { readonly name: string }[] }
  const dot = schema.name.lastIndexOf('.')
  const attributes = new Map(metrics.map((metric) => [metric.name, attributesOf(metric)]))
  return {
    ...schema,
    name: schema.name.slice(dot + 1),
    namespace: schema.name.slice(0, dot),
    ...(tickMicros === 1 ? { time_unit: 'us' } : {}),
    fields: schema.fields.map((field) => ({ ...field, ...attributes.get(field.name) })),
  }
}

function attributesOf({ standard, channel, scale, offset, missing, map }: Metric): Readonly<Record<string, unknown>> {
  return {
    standard,
    ...(channel === null ? {} : { channel }),
    scale,
    offset,
    missing: Number.isNaN(missing) ? 'NaN' : missing,
    ...(map === undefined ? {} : { map: Object.fromEntries(map) }),
  }
}
