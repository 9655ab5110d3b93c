import { createDatabase } from '../connectors/postgres/database.ts'
import { deviceBirths } from '../connectors/postgres/device-births.ts'
import { type FirmwareDirectoryOptions, openFirmwareDirectory } from '../connectors/registry/firmware-directory.ts'
import { openDeadLetters } from '../ops/dead-letters/reader.ts'
import { type CoverageReport, coverage } from '../ops/firmware/coverage.ts'
import { heardFirmwares } from '../ops/firmware/heard.ts'
import { configuredDialects, registeredFirmwares } from '../ops/firmware/known.ts'
import { strangers } from '../ops/firmware/strange.ts'
import { coverageLines, deviceLines, firmwareLinesOf } from '../ops/firmware/table.ts'
import { parseDeviceId } from '../processors/contract.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { kafkaClient } from '../services/kafka.ts'
import { createLog } from '../services/log.ts'
import { firmwareOptions } from '../services/schema-registry.ts'
import type { ConfigOption } from './command-line.ts'
import { print, printAll } from './print.ts'
import { stopSignal } from './stop-signal.ts'

interface Options extends ConfigOption {
  readonly firmware?: string | undefined
  readonly device?: string | undefined
  /** Milliseconds since 1970. */
  readonly since: number
  readonly mostRecords: number
  readonly json?: true | undefined
}

/** `millrace firmware` */
export async function firmwareCoverage(options: Options): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const { device, firmware } = options
  if (device !== undefined && parseDeviceId(device) === undefined)
    throw new ConfigError(`--device: expected a device ID (1 to 64 of A-Z a-z 0-9 _ -), got ${JSON.stringify(device)}`)
  const report = await reportOf(config, options, device ?? null)
  const { shown, lines } =
    device !== undefined ? ofDevice(report, device) : firmware !== undefined ? ofFirmware(report, firmware) : all(report)
  if (options.json === true) print(JSON.stringify(shown))
  else printAll(lines())
  return 0
}

/** A report, and how people read it. */
interface Answer {
  readonly shown: CoverageReport
  readonly lines: () => readonly string[]
}

function all(report: CoverageReport): Answer {
  return { shown: report, lines: () => coverageLines(report) }
}

/** Only firmwares that the device has to do with: how many others run them was not looked at. */
function ofDevice(report: CoverageReport, name: string): Answer {
  const absent = { device: name, provisioned: false, firmware: null, from: null, birth: null, readings: {} }
  const device = report.devices.find((each) => each.device === name) ?? absent
  const own = new Set([device.birth, ...Object.keys(device.readings)])
  const shown = { ...report, firmwares: report.firmwares.filter((each) => own.has(each.firmware)) }
  return { shown, lines: () => deviceLines(shown, device) }
}

function ofFirmware(report: CoverageReport, name: string): Answer {
  const found = report.firmwares.find(({ firmware }) => firmware === name)
  if (found === undefined) {
    const names = report.firmwares.map(({ firmware }) => firmware).join(', ')
    throw new ConfigError(`--firmware: nobody runs ${JSON.stringify(name)}, and it is not registered; there is ${names || 'none'}`)
  }
  const shown = { ...report, firmwares: [found], devices: report.devices.filter(({ firmware }) => firmware === name) }
  return { shown, lines: () => firmwareLinesOf(shown, found) }
}

async function reportOf(config: Config, { since: sinceMs, mostRecords }: Options, device: string | null): Promise<CoverageReport> {
  const log = { ...createLog('firmware'), info: () => undefined }
  const stop = new AbortController()
  void stopSignal().then(() => stop.abort(new Error('interrupted')))
  const { signal } = stop
  await using database = createDatabase({ url: config.env.APP_DATABASE_URL, applicationName: 'millrace firmware' })
  const births = await deviceBirths(database, device)
  await using directory = await openFirmwareDirectory(readOnly(firmwareOptions(config, log, signal)))
  const known = [...registeredFirmwares(directory), ...configuredDialects({ dialects: config.dialects })]
  const kafka = kafkaClient(config, 'millrace-firmware', log)
  const heard = await heardFirmwares({ kafka, sinceMs, mostRecords, device, log, signal })
  return coverage({ known, births, heard, strangers: await strangers(openDeadLetters(config, log, signal), device), sinceMs })
}

/** What services once read counts, but a question keeps nothing. */
function readOnly({ memory, ...options }: FirmwareDirectoryOptions): FirmwareDirectoryOptions {
  return memory === undefined ? options : { ...options, memory: { recall: (prefix) => memory.recall(prefix), memorise: async () => {} } }
}
