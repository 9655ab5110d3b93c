import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { countOf, examine, type Report } from '../ops/doctor/examine.ts'
import { gather } from '../ops/doctor/gather.ts'
import { openMachine } from '../ops/doctor/machine.ts'
import { dropIn, dropInPath } from '../ops/doctor/pinning.ts'
import { reportJson, reportLines } from '../ops/doctor/report-text.ts'
import { loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'
import { print, printAll } from './print.ts'

interface DoctorOptions extends ConfigOption {
  readonly folder?: string | undefined
  /** Seconds; false for none. */
  readonly measure: number | false
  readonly json?: true | undefined
  readonly strict?: true | undefined
  readonly pinning?: string | undefined
  readonly root?: string | undefined
}

/**
 * `millrace doctor`: what this machine and its servers are, against what the line needs.
 * @returns 1 if there is a fault, or, with `strict`, an advice
 */
export async function doctor({ config: file, folder, measure, root, ...options }: DoctorOptions): Promise<number> {
  const report = examine(
    await gather({
      config: loadConfig(process.env, file),
      machine: openMachine(root ?? '/'),
      folder,
      measureMs: measure === false || root !== undefined ? 0 : measure * 1_000,
      ask: root === undefined,
    }),
  )
  if (options.json) print(JSON.stringify(reportJson(report)))
  else printAll(reportLines(report))
  if (options.pinning !== undefined) writePinning(report, options.pinning, options.json ? () => undefined : print)
  return countOf(report, 'fault') + (options.strict ? countOf(report, 'advice') : 0) > 0 ? 1 : 0
}

function writePinning({ pinning }: Report, folder: string, say: (line: string) => void): void {
  if (pinning.tag === 'none') return
  for (const unit of pinning.units) {
    const path = join(folder, dropInPath(unit))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, dropIn(unit))
    say(`written: ${path}`)
  }
}
