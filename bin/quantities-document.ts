import { readQuantities } from '../schemas/files.ts'

const HEAD = `<!-- Generated from schemas/readings.avsc by \`make generate\`. Do not edit. -->

# Standard quantities

What a reading can hold. Each quantity is a column of table \`readings\`, a field of \`Sample\` in topic \`telemetry.readings\`, and a name that JSON devices and firmware schemas
use. Units are UCUM codes. A value outside its range is a dead letter (\`out-of-range\`), and the sample's other quantities are stored. Counters rise until the device restarts
them: [counters.md](counters.md) says how to ask for consumption.

`

const FOOT = `
## Adding one

Append a field to \`Sample\` in \`schemas/readings.avsc\`: a nullable double with \`"default": null\`, its unit, its range and a \`doc\`. \`make generate\` and \`make check\` do
the rest: dialects, firmware schemas and JSON may name it. On a running line the order is: \`millrace migrate\` adds the column (no row is rewritten), then the store, then
\`millrace schemas register\`, then the other services. A store that is older than its readings stops and says so.

A quantity that a row lacks costs a byte in Kafka and, up to 72 columns, nothing on disk: the bitmap of NULLs ends within the header's padding.
`

/** Text of docs/quantities.md. */
export function quantitiesDocument(): string {
  const rows = readQuantities().map(
    ({ name, unit, minimum, maximum, doc }) => `| \`${name}\` | \`${unit}\` | ${minimum} | ${maximum} | ${doc.replaceAll('|', '\\|')} |`,
  )
  return `${HEAD}| quantity | unit | from | to | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n${FOOT}`
}
