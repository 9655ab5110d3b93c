import type { ReasonDoc } from '../processors/contract.ts'
import { deadTopic } from '../processors/topics.ts'
import { shippedServices } from '../services/declared.ts'
import { engineReasons } from '../services/processor/engine.ts'

const HEAD = `<!-- Generated from processors/*/reasons.ts by \`make generate\`. Do not edit. -->

# Dead letters

What cannot be processed goes to the topic \`<processor>.dead\` as Avro (schemas/dead-letter.avsc): its source, its original bytes untouched, the samples and
quantities concerned if it is not the whole record, a reason code, and a detail that names the value and what was expected. A record makes one dead letter for each
reason, however many of its samples are refused for it. A dead letter is written before the offset of its record is committed. If it cannot be written, the partition
waits. An outage of Kafka or of a database never makes a dead letter. An outage of the registry makes some, but only for schemas that no service has ever read: after
3 seconds in the bridge and after 30 behind it, because waiting longer would hold up the other devices.

A device that sends only junk, or has a broken sensor, does not fill the topic. For each device and reason, 1,000 dead letters an hour (1 MiB) keep the whole record; for
all devices of a processor together the limit is 64 MiB an hour (\`dead_letters\` in the configuration). Beyond that, there is one dead letter for each device, reason and
batch, which keeps only the offsets. A redrive reads these records from their own topic. It keeps them for \`topics.retention_hours\` from their arrival, so they go
somewhat earlier than the dead letter itself. A dead letter that would be too large for Kafka with its record also keeps only the offset. The column \`records\` counts
all.

## Look

    millrace dead                                        every topic: dead letters by reason, how many are open, devices, age
    millrace dead standardise --from 2h                  of one processor, of the last two hours
    millrace dead show standardise.dead/3/17             one dead letter: all its fields, what its reason means, the original decoded as far as it can be, else a hex dump
    millrace dead export standardise --out dead.ndjson       a line of JSON each, the original bytes in base64

All take \`--reason R\`, \`--device D\`, \`--from T\` and \`--to T\`. T is a time with its zone (\`2026-11-23T04:00:00Z\`, \`2026-11-23T05:00+01:00\`) or an age (\`90s\`,
\`15m\`, \`2h\`, \`3d\`), and is compared with the last failure. Every command takes times in this form, refuses a time without a zone and one that does not exist, and
echoes in UTC what it understood. These commands change nothing. The \`state\` of an exported dead letter is \`open\`, or the outcome of a redrive.

## Redrive

First fix the cause, as the tables below say. Then:

    millrace redrive standardise --reason unknown-device --dry-run     what would happen, by reason; nothing is changed
    millrace redrive standardise --reason unknown-device

The processor runs over its own dead letters, with today's schemas, devices and configuration, and with the time of the first receipt. Only this
processor sees them again, and its outputs go where they always go: those of the bridge and of standardise to their topics, those of the store and of
devices into their databases. If a dead letter is about some samples, or some quantities of them, only these are redriven. A redrive takes the dead
letters that exist when it starts.

- **What fails again** is a new dead letter with the same bytes and source, one attempt more, and the time of its first failure. Dead letters that have
  failed 5 times (\`--max-attempts N\`) are left alone.
- **A redriven dead letter is settled**: no later run takes it, although Kafka keeps it until its retention ends. Dead letters that a run did not choose
  stay open. Table \`redriven_dead_letter\` of the telemetry database has the outcomes; table \`redrive_run\` has who ran what, when, and with what result.
  Redrives of the store and of devices also have rows in table \`consumer_offset\` of their databases, as \`store.redrive.<run>\`, with the rows that they
  stored and found there.
- **Killed in the middle?** Run it again. A dead letter is settled last, so nothing is lost. At most 500 dead letters are done twice. That gives the same
  rows again (recognised by their key) and the same dead letters (recognised by source, samples, reason and attempt, and settled as \`repeat\`).
- **\`--rate N\`** takes N dead letters a second, so that a large redrive leaves room for the live load. Ctrl-C ends a run after the dead letters under way.
- One redrive of a processor at a time; a second one is refused.

Rows merge by column, so a redrive adds what was missing. A value that is in the table already is overwritten only with \`store.conflicts: keep-last\`.
Otherwise a corrected conversion repairs what was rejected, but not what was stored.

## When a partition stops

A device that sends junk, or that nobody has provisioned, gets dead letters and stops nobody. It is different if many devices turn bad together: more than 5 % of the
devices that were good within a day, and at least 10. A device has turned bad if something was refused in three of its records in a row. Then the partitions with such
devices stop, because there is probably one cause, such as a wrong conversion or a lost table of devices, and thousands of dead letters would not say more than one.
Nothing of that batch is written. \`/health\` is 503 and names the partition, the number of devices and the reasons; so does a line in the log. The other partitions go
on.

The service tries again by itself, after 0.5 to 30 seconds, with what the registry and the databases say by then. **Fix the cause and it goes on**, with nothing to redrive.
If the cause is not fixed within an hour (\`devices_turned_bad.longest_minutes\`), the records become dead letters and the partition goes on. To get this at once, set
\`devices_turned_bad.most_share\` to 1 and restart. The bridge never stops for this reason, because what devices publish can only be mended at the devices.

## Reasons of before

Until dialects, the bridge decoded JSON itself. Its dead letters \`bad-json\`, \`not-a-frame\`, \`too-many-samples\`, \`empty-payload\` and \`bad-topic\` of then can be listed, shown and
redriven as all others. \`millrace redrive bridge\` copies such a message to \`telemetry.raw\`, cut to the samples and quantities that the dead letter is about, and what is still
wrong with it is a dead letter of translate. Frames that the bridge made of JSON are still in \`telemetry.frames\`; their schema (\`generic-json\`) is kept for them. `

/** Text of docs/dead-letters.md: every reason of every service. */
export async function reasonsDocument(): Promise<string> {
  const sections = (await shippedServices()).flatMap(({ name, reasons }) =>
    reasons === undefined ? [] : [section(`\`${deadTopic(name)}\``, reasons)],
  )
  return [HEAD, ...sections.sort(), section('Every processor', engineReasons)].join('\n')
}

function section(title: string, reasons: Readonly<Record<string, ReasonDoc>>): string {
  const rows = Object.entries(reasons).map(([code, { means, whatToDo }]) => `| \`${code}\` | ${cell(means)} | ${cell(whatToDo)} |`)
  return `## ${title}\n\n| reason | what it means | what to do |\n|---|---|---|\n${rows.join('\n')}\n`
}

/** Escapes bars, which would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
