import { readQuantities } from '../schemas/files.ts'

const HEAD = `<!-- Generated from schemas/readings.avsc by \`make generate\`. Do not edit. -->

# Standard quantities

What a reading can hold. Each quantity is a column of table \`readings\`, a field of \`Sample\` in topic \`telemetry.readings\`, and a name that JSON devices and firmware schemas
use. Units are UCUM codes. A value outside its range is a dead letter (\`out-of-range\`), and the sample's other quantities are stored. Counters rise until the device restarts
them: [counters.md](counters.md) says how to ask for consumption.

`

const FOOT = `
## One of your own

A quantity of a deployment is a line in a file of the deployment. \`millrace.yaml\` names the file, by its path from there:

\`\`\`yaml
quantities: ./my-quantities.avsc
\`\`\`

It is an Avro record of any name, whose fields are as those of \`Sample\` in \`schemas/readings.avsc\`:

\`\`\`json
{
  "type": "record",
  "name": "OurQuantities",
  "fields": [
    { "name": "bee_traffic", "type": ["null", "double"], "default": null, "unit": "/min", "minimum": 0, "maximum": 10000, "doc": "Bees that leave the hive." }
  ]
}
\`\`\`

All that follows from a standard quantity follows from it: range checks, the column with comment and unit, the schema of \`telemetry.readings\`, JSON, dialects, \`standard\` in
firmware schemas, files, dead letters and redrives. Its column comes after the standard ones, in the order of the file. A sample that a processor gets (\`readings\`) has it by its
name; the compiler does not know that name. A file that cannot be used ends a command with exit code 2, and a line for each fault: the file, the field and what was expected.
Names are of a to z, 0 to 9 and _, and no word that SQL reserves. Units must be UCUM codes that Millrace can convert.

Everything of one deployment needs **the same file**, the commands too. On a running line:

1. Add the field to the file, on each machine. Alone it changes nothing.
2. \`millrace migrate\` adds the column; no row is rewritten. Stores go on writing meanwhile.
3. \`millrace schemas register\`. Services other than the bridge look at the file every 5 s. Once readings in the registry have a quantity that a service lacks and its file has, the
   service stops in good order, with exit code 1 and a line that says why, and is started again by whatever keeps it running: \`millrace up\`, or systemd with \`Restart=always\`. Records
   wait in Kafka meanwhile. A store that is still without the quantity holds the partitions in which it meets such readings, and \`/health\` says so; nothing is lost.
4. \`millrace redrive translate --reason unknown-quantity\`, and \`millrace redrive standardise --reason bad-firmware-schema\`, for what devices sent too early.

A file that cannot be used any more changes nothing in a running service: its log and \`/health\` (\`quantities\`) say what is wrong. Another range, or a quantity that is taken out, holds
after a restart. Another unit is refused by \`migrate\` and by the store, for nobody could tell the values apart.

A program without the file does not leave its values out in silence: \`millrace migrate\` and the store name the column that they have no quantity for, \`millrace schemas check\`
and \`register\` exit with 1, standardise and translate log a warning, and values are dead letters (\`unknown-quantity\`, \`bad-firmware-schema\`). To give a quantity up, take
it out of the file and restart: the column and its values stay, and \`register\` says once what readings no longer have.

If a later release brings a quantity of the same name, that release refuses the file and says so before anything starts. If it means the same in the same unit, delete yours from the
file: the column, its values and older records go on as the standard quantity's. If not, rename yours: stop devices from sending it or the services from reading, let the store catch up, rename the column
(\`ALTER TABLE readings RENAME COLUMN bee_traffic TO our_bee_traffic\`), then the field in the file, in firmware schemas and dialects, and go on with step 2.

## Adding a standard one

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
