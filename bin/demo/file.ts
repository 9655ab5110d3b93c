import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError } from '../../connectors/contract.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { listDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { compareSentRows, type SentRows } from '../../connectors/postgres/sent-rows.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { type DeadLetterFinds, deadLettersSince } from '../../ops/dead-letters/since.ts'
import { whole } from '../../ops/figures.ts'
import { type FileSender, sendAsJson } from '../../ops/file/json-sender.ts'
import { startFleet } from '../../ops/fleet/fleet-process.ts'
import { openStatusSources } from '../../ops/status/status-sources.ts'
import { type DeviceId, parseDeviceId } from '../../processors/contract.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { wholeLines } from './csv-lines.ts'
import { complaints, type FileBalance, missing, renderBalance } from './file-balance.ts'
import { bootFile, FLEET_PROGRAM } from './fleets.ts'
import type { PreparedFile } from './prepared-file.ts'
import { createProgress, type Drained, PACE } from './progress.ts'
import type { DemoEnd } from './totals.ts'

export interface FileRun {
  readonly file: PreparedFile
  readonly config: Config
  readonly local: string
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

const ACCOUNT = 'Files'
const BAD_COPY_FILE_FORMAT = '22P04'
/**
 * If a key is nowhere after this long without any progress, it will not come: a killed service
 * would be back, and would have caught up.
 */
const STANDSTILL_MS = 30_000
/** How many of the fleet's last lines to show: its summary, and complaints. */
const FLEET_LINES = 16
const interrupted: DemoEnd = { code: 130, lastWords: ['interrupted: what was sent goes on through the line'] }

/**
 * Sends a file through the whole line as fast as it goes, waits until all of it is accounted for,
 * and says what became of it.
 * @returns code 0 if everything adds up, else 1
 */
export async function sendFile({ file, config, local, signal, say }: FileRun): Promise<DemoEnd> {
  const { path, quantities, way } = file
  const session = await openSession({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace demo',
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
  })
  try {
    const { table, lines, keys, devices } = await readFile(path, session, quantities)
    say(`file       ${file.name}: ${whole(lines)} lines, ${whole(devices.length)} devices with ${quantities.join(', ')}`)
    for (const line of [...file.words, ...file.leftOut, ...file.examples.map((each) => `  ${each}`)]) say(`           ${line}`)
    say(way.tag === 'frames' ? `           sent as firmware ${way.firmware.id}` : `           sent as JSON, with all decimals: ${way.why}`)
    await provision(config, devices)
    await using sources = await openStatusSources(config)
    const deadLetters = await deadLettersSince(config, way.tag === 'frames' ? way.firmware : undefined, signal)
    const [mark, before] = await Promise.all([deadLetters.mark(), sources.stored()])
    await using sender = startSender(file, config, local)
    const progress = createProgress(sources, () => sender.stats(), lines, before)
    let stands: readonly string[] = []
    let ended: number | NodeJS.Signals | undefined

    for (;;) {
      ended = (await Promise.race([sender.ended, delay(PACE.pollMs)])) ?? undefined
      if (ended !== undefined) break
      await progress.look()
      if (signal.aborted) return interrupted
      if (!progress.stands()) continue
      stands = await progress.why()
      break
    }
    const sent = sender.stats()?.acked_samples ?? 0
    let found: DeadLetterFinds | undefined
    let balance: FileBalance | undefined
    for (let last = Number.NaN, sinceMs = Date.now(); ; ) {
      const how: Drained = await progress.drained(signal)
      if (how === 'interrupted') return interrupted
      found = await deadLetters.since(mark, new Set(devices))
      const dead = found.samples.length + found.undecodable
      balance = {
        lines,
        sent,
        keys,
        ...(await table.compare(found.samples)),
        deadLetters: dead,
        deadKeys: await table.absent(found.samples),
      }
      if (missing(balance) !== last) sinceMs = Date.now()
      last = missing(balance)
      if (how === 'stands' && stands.length === 0) stands = await progress.why()
      if (last === 0 || how === 'stands' || Date.now() - sinceMs > STANDSTILL_MS) break
    }
    progress.end()
    const wrong = complaints(balance)
    return {
      code: wrong.length === 0 ? 0 : 1,
      lastWords: [
        ...[...found.reasons].map(([reason, count]) => `dead letters: ${reason}, ${whole(count)}`),
        ...(balance.conflicts === 0
          ? []
          : [
              `in conflict: ${whole(balance.conflicts)} lines with another value than the row of their device and time has; store.conflicts is ${config.store.conflicts}`,
            ]),
        ...wrong.map((complaint) => `does not add up: ${complaint}`),
        ...stands,
        ...(sent === lines && ended === 0 ? [] : senderWords(sender, ended)),
        ...file.leftOut,
        renderBalance(balance),
      ],
    }
  } finally {
    await session.close()
  }
}

function startSender({ path, way }: PreparedFile, { env, bridge }: Config, local: string): FileSender {
  if (way.tag === 'json') {
    const { burst_bytes: burstBytes, bytes_per_second: bytesPerSecond } = bridge.rate_limit
    return sendAsJson({
      path,
      broker: fleetAccess(env),
      topicOf: (device) => `devices/${device}/telemetry`,
      rate: { burstBytes, bytesPerSecond },
    })
  }
  const log = join(local, 'log', 'fleet-file.log')
  const logBegins = existsSync(log) ? statSync(log).size : 0
  const args = ['--csv', '--firmware', way.firmware.id, '--boot-file', bootFile(local, 'file')]
  const fleet = startFleet({ program: FLEET_PROGRAM, broker: fleetAccess(env), args, input: path, logFile: log })
  return {
    stats: () => fleet.stats(),
    ended: fleet.ended,
    words: () =>
      readFileSync(log)
        .subarray(logBegins)
        .toString('utf8')
        .split('\n')
        .slice(-FLEET_LINES - 1, -1),
    [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose](),
  }
}

/** Why not everything was sent. */
function senderWords(sender: FileSender, ended: number | NodeJS.Signals | undefined): readonly string[] {
  return [
    ended === undefined ? 'the sender had not come to its end:' : `the sender ended with ${ended}:`,
    ...sender.words().map((line) => `  ${line}`),
  ]
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

/**
 * The error for lines with another number of fields than the header, or with wrong quotes: the file
 * is at fault.
 */
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
