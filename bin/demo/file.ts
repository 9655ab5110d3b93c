import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../connectors/contract.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { listDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { compareSentRows, type SentRows } from '../../connectors/postgres/sent-rows.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { type DeadLetterFinds, deadLettersSince } from '../../ops/dead-letters/letters-since.ts'
import { whole } from '../../ops/figures.ts'
import { type FleetProcess, startFleet } from '../../ops/fleet/fleet-process.ts'
import { createScreen } from '../../ops/status/screen.ts'
import type { StatusSources, StoredRows } from '../../ops/status/status.ts'
import { openStatusSources } from '../../ops/status/status-sources.ts'
import { type DeviceId, parseDeviceId } from '../../processors/contract.ts'
import { readFirmwares } from '../../schemas/files.ts'
import type { Firmware } from '../../schemas/firmware.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { firstLine, parseHeader, wholeLines } from './csv-lines.ts'
import { complaints, type FileBalance, missing, renderBalance } from './file-balance.ts'
import { firmwareFor } from './firmware-choice.ts'
import { bootFile, FLEET_PROGRAM } from './fleets.ts'
import type { Outcome } from './totals.ts'

export interface FileRun {
  readonly file: string
  readonly config: Config
  readonly local: string
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

const ACCOUNT = 'Files'
const BAD_COPY_FILE_FORMAT = '22P04'
const POLL_MS = 500
/** The line is drained where no group is behind and no row came for this long. */
const QUIET_MS = 2_000
/** A key that is nowhere after this long without any progress will not come: a killed service is back and has caught up by then. */
const STANDSTILL_MS = 30_000
const interrupted: Outcome = { code: 130, lastWords: ['interrupted: what was sent goes on through the line'] }

/**
 * Sends a file through the whole line as fast as it goes, waits until all of it is accounted for, and says what became of it.
 * @returns code 0 where everything adds up, else 1
 */
export async function sendFile({ file, config, local, signal, say }: FileRun): Promise<Outcome> {
  const quantities = parseHeader(await firstLine(file)).slice(2)
  const firmware = chooseFirmware(file, quantities)
  const session = await openSession({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace demo',
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  try {
    const { table, lines, keys, devices } = await readFile(file, session, quantities)
    say(
      `file       ${basename(file)}: ${whole(lines)} lines, ${whole(devices.length)} devices with ${quantities.join(', ')}, sent as firmware ${firmware.id}`,
    )
    await provision(config, devices)
    await using sources = await openStatusSources(config)
    const letters = deadLettersSince(config, firmware, signal)
    const [mark, before] = await Promise.all([letters.mark(), sources.stored()])
    const log = join(local, 'log', 'fleet-file.log')
    const args = ['--url', config.env.MQTT_URL, '--csv', '--firmware', firmware.id, '--boot-file', bootFile(local, 'file')]
    await using fleet = startFleet({ program: FLEET_PROGRAM, args, input: file, logFile: log })
    const progress = createProgress(sources, fleet, lines, before)

    while ((await Promise.race([fleet.ended, delay(POLL_MS)])) === undefined) {
      await progress.look()
      if (signal.aborted) return interrupted
    }
    const sent = fleet.stats()?.acked_samples ?? 0
    let found: DeadLetterFinds | undefined
    let balance: FileBalance | undefined
    for (let last = Number.NaN, sinceMs = Date.now(); ; ) {
      if (!(await progress.drained(signal))) return interrupted
      found = await letters.since(mark, new Set(devices))
      const deadLetters = found.samples.length + found.undecodable
      balance = { lines, sent, keys, ...(await table.compare()), deadLetters, deadKeys: await table.absent(found.samples) }
      if (missing(balance) !== last) sinceMs = Date.now()
      last = missing(balance)
      if (last === 0 || Date.now() - sinceMs > STANDSTILL_MS) break
    }
    progress.end()
    const wrong = complaints(balance)
    return {
      code: wrong.length === 0 ? 0 : 1,
      lastWords: [
        ...[...found.reasons].map(([reason, count]) => `dead letters: ${reason}, ${whole(count)}`),
        ...wrong.map((complaint) => `does not add up: ${complaint}`),
        ...(sent === lines ? [] : [`why lines were not sent: ${log}`]),
        renderBalance(balance),
      ],
    }
  } finally {
    await session.close()
  }
}

function chooseFirmware(file: string, quantities: readonly string[]): Firmware {
  const firmwares = readFirmwares().map(({ firmware }) => firmware)
  const built = firmwares.filter(({ id }) => id !== 'generic-json')
  const chosen = quantities.length === 0 ? undefined : firmwareFor(quantities, built)
  if (chosen !== undefined) return chosen
  const known = built.map(({ id, metrics }) => `  ${id}: ${metrics.map(({ standard }) => standard).join(', ')}`).join('\n')
  throw new ConfigError(
    `${file}: expected a header line of time, device and quantities of one firmware, got ${quantities.join(', ') || 'no quantity'}\n${known}`,
  )
}

interface ReadFile {
  readonly table: SentRows
  readonly lines: number
  readonly keys: number
  readonly devices: readonly DeviceId[]
}

async function readFile(file: string, session: Session, quantities: readonly string[]): Promise<ReadFile> {
  const table = await compareSentRows(session, quantities)
  let header = true
  for await (const chunk of wholeLines(file)) {
    const lines = header ? chunk.subarray(chunk.indexOf('\n') + 1) : chunk
    header = false
    if (lines.length === 0) continue
    await table.add(lines).catch((cause: unknown) => {
      throw malformed(file, cause)
    })
  }
  const { lines, keys, devices } = await table.finish()
  return { table, lines, keys, devices: devices.flatMap((device) => parseDeviceId(device) ?? []) }
}

/** Lines that are not as many fields as the header, or badly quoted: the file is at fault, and says nothing that could be checked. */
function malformed(file: string, cause: unknown): unknown {
  if (!(cause instanceof ConnectorError && cause.code === BAD_COPY_FILE_FORMAT)) return cause
  const where = cause.cause instanceof Error && 'where' in cause.cause ? String(cause.cause.where).replace(/^.*?: /, ': ') : ''
  return new ConfigError(`${file}: expected as many fields in each line as in the header, got${where} (${cause.message})`, { cause })
}

/** Devices that are known stay where they are. */
async function provision({ env }: Config, devices: readonly DeviceId[]): Promise<void> {
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace demo' })
  const known = new Set((await listDevices(database)).map(({ id }) => id))
  const unknown = devices.filter((device) => !known.has(device))
  if (unknown.length > 0) await provisionDevices(database, { account: ACCOUNT, site: null, devices: unknown, from: null })
}

interface Progress {
  /** Draws how far it is, and says whether every group has caught up. */
  look(): Promise<boolean>
  /** Waits until the line is drained. False where the signal came first. */
  drained(signal: AbortSignal): Promise<boolean>
  end(): void
}

function createProgress(sources: StatusSources, fleet: FleetProcess, lines: number, before: StoredRows | undefined): Progress {
  const screen = createScreen(process.stdout)
  const LINE_EVERY_MS = 5_000
  let saidMs = Date.now()
  let handled: number | undefined

  async function look(): Promise<boolean> {
    const [stored, lags] = await Promise.all([sources.stored(), sources.lags()])
    handled = stored === undefined || before === undefined ? undefined : stored.rows + stored.repeated - before.rows - before.repeated
    const line = `           ${whole(fleet.stats()?.acked_samples)} of ${whole(lines)} lines sent, ${whole(handled)} through the store`
    if (process.stdout.isTTY) screen.draw([line])
    else if (Date.now() - saidMs >= LINE_EVERY_MS) {
      saidMs = Date.now()
      process.stdout.write(`${line.trim()}\n`)
    }
    return lags?.every(({ lag }) => lag === 0n) ?? false
  }

  return {
    look,
    async drained(signal) {
      for (let quietMs = 0, last = handled; quietMs < QUIET_MS; quietMs += POLL_MS) {
        await delay(POLL_MS)
        if (signal.aborted) return false
        if (!(await look()) || handled !== last) quietMs = 0
        last = handled
      }
      return true
    },
    end: () => screen.leave(),
  }
}
