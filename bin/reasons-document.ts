import type { ReasonDoc } from '../processors/contract.ts'
import { deadTopic } from '../processors/topics.ts'
import { shippedServices } from '../services/declared.ts'
import { engineReasons } from '../services/processor/engine.ts'

const HEAD = `<!-- Generated from processors/*/reasons.ts by \`make generate\`. Do not edit. -->

# Dead letters

What cannot be processed goes to the topic \`<processor>.dead\` as Avro (schemas/dead-letter.avsc): where it came from, its original bytes untouched, the
samples and quantities concerned if it is not the whole record, a reason code, and a detail that names the value and what was expected. A record makes one
dead letter for each reason, however many of its samples are refused for it. A dead letter is written before the offset of its record is committed; if it cannot
be written, the partition waits. An outage of Kafka or of a database never makes one; one of the registry only makes those of schemas that nobody here has ever read,
after 3 seconds in the bridge and 30 behind it: waiting for it would hold up the other devices.

A device that sends nothing but junk, or has a sensor that is broken for good, does not fill the topic: of one device and reason, 1,000 dead letters an hour (1 MiB)
keep their record whole, and those of all devices of a processor together 64 MiB (\`dead_letters\` in the configuration). Of what comes after that, a dead letter for each
device, reason and batch keeps the offsets. A redrive reads these records
in their own topic, which keeps them for \`topics.retention_hours\` from when they came: somewhat less long than the dead letter itself is kept. It is the same with a dead letter that would be too large for
Kafka with its record. The column \`records\` counts all.

## Look

    millrace dead                                        every topic: dead letters by reason, how many are open, devices, age
    millrace dead standardise --from 2h                  of one processor, of the last two hours
    millrace dead show standardise.dead/3/17             one dead letter: all its fields, what its reason means, the original decoded as far as it can be, else a hex dump
    millrace dead export standardise --out dead.ndjson       a line of JSON each, the original bytes in base64

All take \`--reason R\`, \`--device D\`, \`--from T\` and \`--to T\`, where T is a time with its zone (\`2026-11-23T04:00:00Z\`, \`2026-11-23T05:00+01:00\`) or an age
(\`90s\`, \`15m\`, \`2h\`, \`3d\`) and counts for the last failure. Every command takes times so, refuses one without a zone or that no calendar has, and echoes in UTC what it
took. They change nothing. An exported dead letter's \`state\` is \`open\`, or what a redrive made of it.

## Redrive

First fix the cause, as the tables below say. Then:

    millrace redrive standardise --reason unknown-device --dry-run     what would happen, by reason; nothing is changed
    millrace redrive standardise --reason unknown-device

The processor runs over its own dead letters, with today's schemas, devices and configuration and the time of the first receipt. Only it sees
them again, and its outputs go where they always go: the bridge's and standardise's to their topics, the store's and the devices' into their
databases. A dead letter of some samples, or of quantities of them, redrives just these. A redrive takes the dead letters that are there when it starts.

- **What fails again** is a new dead letter with the same bytes and source, one attempt more, and the time of its first failure. Dead letters that have
  failed 5 times (\`--max-attempts N\`) are left alone.
- **A redriven dead letter is settled**: no later run takes it, though Kafka keeps it until its retention ends. Dead letters that a run did not choose stay
  open. Table \`redriven_dead_letter\` of the telemetry database has the outcomes, \`redrive_run\` who ran what, when, and what came of it; redrives of
  the store and of devices also have rows of \`consumer_offset\` in their databases, as \`store.redrive.<run>\`, with the rows they stored and found there.
- **Killed in the middle?** Run it again. A dead letter is settled last, so nothing is lost; at most 500 dead letters are done twice, which gives the same
  rows again (they are recognised by their key) and the same dead letters (recognised by source, samples, reason and attempt, and settled as \`repeat\`).
- **\`--rate N\`** takes N dead letters a second, so that a large redrive leaves room for the live load. Ctrl-C ends a run after the dead letters under way.
- One redrive of a processor at a time; a second one is refused.

Rows merge by column: a redrive adds what was missing. A value that is in the table already is overwritten only with \`store.conflicts: last\`: otherwise a
corrected conversion fixes what was rejected, not what was stored.

## When a partition stops

A device that sends junk, or that nobody has provisioned, has its dead letters and stops nobody. But if more than 5 % of the devices that were good within a day, and at
least 10, turn bad together (three records in a row of which anything is refused), the partitions with such devices stop: one mistake is behind them, such as a wrong
conversion or a lost table of devices, and thousands of dead letters would not say more than one. Nothing of that batch is written. \`/health\` is 503 and says which
partition, how many devices and the reasons; so does a line in the log. The other partitions go on.

It tries again by itself, after 1 to 30 seconds, with what the registry and the databases say by then: **fix the cause and it goes on**, with nothing
to redrive. What is not fixed within an hour (\`devices_turned_bad.longest_minutes\`) becomes dead letters, and the partition goes on; so it does at once with \`devices_turned_bad.most_share\`
set to 1 and a restart. The bridge does not stop: what devices publish is theirs to fix.
`

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
