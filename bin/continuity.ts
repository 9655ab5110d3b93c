import { askContinuity } from '../ops/continuity/ask.ts'
import type { ContinuityReport } from '../ops/continuity/report.ts'
import { continuityTable } from '../ops/continuity/table.ts'
import type { Tails } from '../ops/continuity/tails.ts'
import { whole } from '../ops/figures.ts'
import { loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import type { ConfigOption } from './command-line.ts'
import { printAll } from './print.ts'
import { sayMoments } from './say-moments.ts'

interface Options extends ConfigOption {
  readonly device?: string | undefined
  readonly since?: number | undefined
  readonly all?: true | undefined
  readonly json?: true | undefined
  readonly mostRecords: number
}

/**
 * `millrace continuity`: says where every frame is that a device ever numbered. Writes nothing.
 * @returns 0 if the states add up, whatever they are; 1 if they do not, or cannot be determined
 */
export async function continuity(options: Options): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const filter = { device: options.device ?? null, sinceMs: options.since ?? null }
  sayMoments({ '--since': options.since })
  const services = await declaredServices(config)
  const found = await askContinuity({ config, services, filter, mostRecords: BigInt(options.mostRecords) })
  switch (found.tag) {
    case 'never-begun':
      return unknown('the ledger was never begun: start it with `millrace run continuity`')
    case 'behind':
      return unknown(
        `the ledger is ${whole(found.records)} records behind, and at most ${whole(options.mostRecords)} are read to answer: let \`millrace run continuity\` catch up, or raise --most-records`,
      )
    case 'answer': {
      const { report, tails } = found
      printAll(options.json ? json(report, tails) : text(report, tails, options.all === true || filter.device !== null))
      return report.addsUp ? 0 : 1
    }
  }
}

function text(report: ContinuityReport, { records, lost }: Tails, all: boolean): readonly string[] {
  const lines = [...continuityTable(report, all)]
  if (lost > 0n)
    lines.push(
      `${whole(lost)} records were deleted by Kafka before the ledger had read them: frames of that time are called missing that may be stored`,
    )
  lines.push('', `${whole(records)} records were read from Kafka for what the ledger has not written yet.`)
  return lines
}

function json(report: ContinuityReport, { records, lost }: Tails): readonly string[] {
  return JSON.stringify({ ...report, recordsRead: Number(records), recordsLost: Number(lost) }, null, 2).split('\n')
}

/** Says why there is no answer. There are no figures then, because unknown is not zero. */
function unknown(why: string): number {
  process.stderr.write(`millrace continuity: cannot tell: ${why}\n`)
  return 1
}
