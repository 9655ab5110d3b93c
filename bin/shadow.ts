import { LOCKS_WARNING, type ProcessShadowReport, processLines, shadowBusinessProcess } from '../ops/shadow/process.ts'
import { type Slice, shadowProcessor } from '../ops/shadow/processor.ts'
import { ShadowReport } from '../ops/shadow/report.ts'
import type { DeclaredProcess, DeclaredProcessor } from '../processors/declaration.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { declaredService } from '../services/declared.ts'
import { createLog } from '../services/log.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print, printAll } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

type Options = ConfigOption & {
  readonly from: number
  readonly to?: number | undefined
  readonly device?: readonly string[] | undefined
  readonly most?: number | undefined
  readonly json?: true | undefined
}

const [ALIKE, DIFFERENT, NONE] = [0, 1, 2]

/** `millrace shadow <processor>`: the working copy beside the deployed one. */
export async function shadow(entry: string, options: Options): Promise<number> {
  const { from, to = Date.now(), device = [], most = Number.POSITIVE_INFINITY, json = false } = options
  if (from >= to)
    throw new UsageError(
      `--from and --to: expected the first to be earlier, got ${new Date(from).toISOString()} and ${new Date(to).toISOString()}`,
    )
  const config = loadConfig(process.env, options.config)
  const declared = await declaredService(config, entry)
  sayMoments({ '--from': from, '--to': to })
  const slice: Slice = { fromMs: from, toMs: to, devices: new Set(device), most }
  switch (declared.kind) {
    case 'processor':
      return ofProcessor(config, declared, slice, json)
    case 'process':
      return ofProcess(config, declared, slice, json)
    default:
      throw new ConfigError(`${declared.name} cannot be shadowed: expected a processor or a business process`)
  }
}

/** Standard output is for the result. */
function quiet(): ReturnType<typeof createLog> {
  return { ...createLog('shadow'), info: () => undefined }
}

function stopping(): AbortSignal {
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  return abort.signal
}

async function ofProcessor(config: Config, declared: DeclaredProcessor, slice: Slice, json: boolean): Promise<number> {
  const report = new ShadowReport()
  const signal = stopping()
  const progress = (): void => void process.stderr.write(`${report.inputs} inputs compared, ${report.differences} differences\n`)
  try {
    await shadowProcessor({ config, declared, slice, report, log: quiet(), signal, progress })
  } catch (cause) {
    if (!signal.aborted) throw cause
    report.interrupted = true
  }
  if (json) print(JSON.stringify(report.json()))
  else printAll(report.lines({ name: declared.name, from: new Date(slice.fromMs).toISOString(), to: new Date(slice.toMs).toISOString() }))
  if (report.differences > 0) return DIFFERENT
  return report.inputs === 0 || report.interrupted ? NONE : ALIKE
}

async function ofProcess(config: Config, declared: DeclaredProcess, slice: Slice, json: boolean): Promise<number> {
  process.stderr.write(`${LOCKS_WARNING}\n`)
  const report = await shadowBusinessProcess({ config, declared, slice, log: quiet(), signal: stopping() })
  if (json) print(JSON.stringify(processJson(report)))
  else printAll(processLines(declared.name, report))
  if (report.inputs === 0) return NONE
  return report.tables.length > 0 || report.reasons.size > 0 || report.stopped !== undefined ? DIFFERENT : ALIKE
}

function processJson({ reasons, stopped, ...rest }: ProcessShadowReport): unknown {
  return { ...rest, stopped: stopped ?? null, reasons: Object.fromEntries(reasons) }
}
