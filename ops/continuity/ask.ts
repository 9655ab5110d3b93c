import {
  beginSnapshot,
  type ContinuityFilter,
  completeBoots,
  deviceCounts,
  foldedBoots,
  incompleteBoots,
  strangers,
} from '../../connectors/postgres/continuity-question.ts'
import { redrivenFrames, redrivenLate } from '../../connectors/postgres/continuity-redriven.ts'
import { loadBoots } from '../../connectors/postgres/continuity-store.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { createKnownDevices, type KnownDevices } from '../../connectors/postgres/known-devices.ts'
import { readingConflicts } from '../../connectors/postgres/reading-conflicts.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { openFirmwareDirectory } from '../../connectors/registry/firmware-directory.ts'
import type { BootState } from '../../processors/continuity/boot.ts'
import { type BootCounts, countsOf, NO_FLIGHT } from '../../processors/continuity/frame-counts.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import type { Config } from '../../services/config.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { createLog } from '../../services/log.ts'
import { firmwareOptions } from '../../services/schema-registry.ts'
import { catchUp } from './catch-up.ts'
import { type ContinuityReport, continuityReport } from './report.ts'
import { measureTails, type Tails } from './tails.ts'

export interface ContinuityQuestion {
  readonly config: Config
  readonly services: readonly DeclaredService[]
  readonly filter: ContinuityFilter
  /** Records read from Kafka, at most, for what the ledger has not written yet. */
  readonly mostRecords: bigint
}

/** `never-begun`: there is no ledger. `behind`: it is too far behind to answer. */
export type ContinuityAnswer =
  | { readonly tag: 'answer'; readonly report: ContinuityReport; readonly tails: Tails }
  | { readonly tag: 'never-begun' }
  | { readonly tag: 'behind'; readonly records: bigint }

/**
 * Where every frame is that a device ever numbered: the ledger, and what it has not written yet.
 * Writes nothing.
 */
export async function askContinuity({ config, services, filter, mostRecords }: ContinuityQuestion): Promise<ContinuityAnswer> {
  const log = { ...createLog('continuity'), info: () => undefined }
  const kafka = kafkaClient(config, 'millrace-continuity-question', log)
  const stop = new AbortController()
  // The snapshot is held while Kafka is read.
  const database = createDatabase({
    url: config.env.TELEMETRY_DATABASE_URL,
    applicationName: 'millrace continuity question',
    idleInTransactionTimeoutMs: 0,
  })
  const devices = createKnownDevices(config.env.APP_DATABASE_URL, 'millrace continuity question')
  const firmwares = await openFirmwareDirectory(firmwareOptions(config, log, stop.signal, true))
  try {
    return await database.use(async (session) => {
      const tails = await measureTails(kafka, session, services, () => beginSnapshot(session))
      if (tails === undefined) return { tag: 'never-begun' } as const
      if (tails.records > mostRecords) return { tag: 'behind', records: tails.records } as const
      const context = { kafka, firmwares, devices, tails, device: filter.device, log, signal: stop.signal }
      const caughtUp = await catchUp(context, (keys) => loadBoots(session, keys))
      return { tag: 'answer', report: await answer(session, filter, devices, caughtUp), tails } as const
    })
  } finally {
    stop.abort()
    await firmwares[Symbol.asyncDispose]()
    await devices[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  }
}

type CaughtUp = Awaited<ReturnType<typeof catchUp>>

/**
 * The report. Boots that the tails have records of are taken from memory; all others as they were
 * written.
 */
async function answer(
  session: Session,
  filter: ContinuityFilter,
  devices: KnownDevices,
  { ledger, inFlight, passedOver, strange }: CaughtUp,
): Promise<ContinuityReport> {
  const isAsked = ({ lastReceivedMs }: BootState): boolean => filter.sinceMs === null || !(lastReceivedMs < filter.sinceMs)
  const recent = [...ledger.boots()]
  const unknown = [...ledger.boots(false)]
  const written = await incompleteBoots(session, filter, recent)
  // Rows of strangers stay where they are until the ledger hears of the name again, even if the
  // name has become a device's.
  const writtenStrangers = await strangers(session, filter, [...recent, ...unknown])
  await devices.ask(writtenStrangers.map(({ device }) => device))
  const redriven = await redrivenFrames(session, filter)
  const counts = (state: BootState): BootCounts =>
    countsOf(state, inFlight(state.device, state.boot) ?? NO_FLIGHT, redriven(state.device, state.boot))
  // If one name is asked for, it counts, whether it is a device's or not.
  const isOne = ({ device }: BootState): boolean => devices.has(device) || device === filter.device
  const foreign = [...unknown.filter(isAsked), ...writtenStrangers]
  return continuityReport({
    complete: await completeBoots(session, filter, recent),
    boots: [...written, ...recent.filter(isAsked), ...foreign.filter(isOne)].map(counts),
    strangers: filter.device === null ? foreign.filter((state) => !isOne(state)).map(counts) : [],
    folds: (await foldedBoots(session, filter)).filter(({ device }) => filter.device === null || device === filter.device),
    counts: [...(await deviceCounts(session, filter)), ...ledger.changes().counts].filter(
      ({ device }) => filter.device === null || device === filter.device,
    ),
    differing: await readingConflicts(session, filter),
    redrivenLate: await redrivenLate(session, filter),
    passedOver,
    strange: filter.device === null ? strange : 0,
  })
}
