import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { projectRoot, readFirmwares } from '../../schemas/files.ts'
import { planBrokerFaults } from './broker-faults.ts'
import { check, type SentFrames, type SentReadings } from './check.ts'
import { fleetDevices } from './fleet.ts'
import { startHives } from './hives.ts'
import { readHops } from './hops.ts'
import { type HostileFindings, hostilePhase } from './hostile-phase.ts'
import { createInjector } from './injector.ts'
import { type LogFindings, logPhase } from './log-phase.ts'
import { checkProcesses } from './processes-check.ts'
import { planPromotions } from './promotions.ts'
import { JSON_DEVICE, MOVING_DEVICE, startPublisher } from './publisher.ts'
import { BROKER, describeReport, HOSTILE, MAIN, makeReport } from './report.ts'
import { checkRollups } from './rollups-check.ts'
import { planBrokerKills, planFaults, planFirstCommits } from './schedule.ts'
import { fleets, isFleet, SESSION_TIMEOUT_MS, type Session, totalsOf, withSession } from './session.ts'
import { readSettings, type Settings } from './settings.ts'
import { LAST_DEVICE, StuckError } from './settle.ts'
import { sharesOf } from './shares.ts'

const DEFAULT_MINUTES = 5
const REPORT = `${projectRoot}test/chaos/latest.json`
/** Why no disk was filled. */
const NO_DISK = {
  user: 'only root can mount a limited filesystem',
  standby: 'a standby on the same machine would have the same tablespace',
} as const
/** Longer than any attack takes: the load is ended with the last of them. */
const HOSTILE_LOAD_S = 3_600
/**
 * Readings a second of the good devices where others make the load, and where it is there to be
 * seen at all.
 */
const LIGHT_RATE = 5_000
/**
 * Devices of each fleet that are watched while others misbehave: enough to have some in each
 * partition.
 */
const WITNESSES = 12

async function chaos(settings: Settings, session: Session): Promise<boolean> {
  const { line, signal, say, load, settled, kafka } = session
  const beganMs = performance.now()
  const injector = createInjector({ line, signal, say })
  const frames: SentFrames[] = []
  const readings: SentReadings[] = []
  const settledSeconds: Record<string, number> = {}
  const stuck: string[] = []
  let [dropped, resent] = [0, 0]

  /** Drives the fleets beside some problem; `end` ends their load with the problem. */
  async function phase<Result>(
    name: string,
    seconds: number,
    problem: () => Promise<Result>,
    rate = settings.rate,
    end = false,
  ): Promise<Result> {
    const running = await load(name, seconds, rate)
    for (const { firmware, fleet } of running) frames.push({ phase: name, ledger: fleet.ledger, firmware })
    const result = await problem()
    if (end) for (const { fleet } of running) fleet.stop()
    say('no more faults; the devices send what they have left')
    const totals = totalsOf(await Promise.race([Promise.all(running.map(({ fleet }) => fleet.done)), aborted(signal)]))
    dropped += totals.dropped
    resent += totals.resent
    return result
  }

  /** One that is stuck is told in the report, with what it led to. */
  async function settlePhase(name: string, everyone = false): Promise<void> {
    try {
      const { last, seconds } = await settled(everyone)
      settledSeconds[name] = (settledSeconds[name] ?? 0) + seconds
      readings.push({ phase: name, device: LAST_DEVICE, readings: [last] })
      say(`settled after ${seconds} s`)
    } catch (cause) {
      if (!(cause instanceof StuckError)) throw cause
      readings.push({ phase: name, device: LAST_DEVICE, readings: [cause.last] })
      stuck.push(`${name}: ${cause.message}`)
      say(`STUCK ${cause.message}`)
    }
  }

  const shares = sharesOf(settings.minutes)
  const publisher = await startPublisher(line.deviceUrl, knownFingerprint())
  const hives = await startHives({ url: line.deviceUrl, seed: settings.seed, durationMs: shares.mainS * 1000 })

  async function mainPhase(): Promise<void> {
    await phase(MAIN, shares.mainS, async () => {
      const fromMs = performance.now()
      await injector.run(planFirstCommits())
      const durationMs = shares.mainS * 1000 - (performance.now() - fromMs)
      const { seed } = settings
      const diskCanFill = line.disk !== undefined
      const faults = planFaults({ seed, durationMs, sessionTimeoutMs: SESSION_TIMEOUT_MS, diskCanFill })
      const ofBrokers = settings.kafkaNodes === 1 ? [] : planBrokerFaults(seed, durationMs, line.brokers.disk !== undefined)
      const promotions = settings.standby ? planPromotions(seed, durationMs) : []
      await injector.run([...faults, ...ofBrokers, ...promotions].toSorted((a, b) => a.atMs - b.atMs))
      await publisher.drain()
      await hives.drain()
    })
  }

  async function brokerPhase(): Promise<void> {
    say('and now Mosquitto')
    await phase(BROKER, shares.brokerS, () => injector.run(planBrokerKills(settings.seed, shares.brokerS * 1000)))
    await settlePhase(BROKER)
  }

  async function attackedPhase(): Promise<HostileFindings> {
    say('and now hostile devices')
    const witnesses = fleets.flatMap((fleet) => fleetDevices({ ...fleet, devices: settings.devices / fleets.length }).slice(0, WITNESSES))
    const attacked = (): Promise<HostileFindings> =>
      hostilePhase({ line, witnesses, seed: settings.seed, rounds: shares.rounds, signal, say })
    const findings = await phase(HOSTILE, HOSTILE_LOAD_S, attacked, LIGHT_RATE, true)
    await settlePhase(HOSTILE)
    return findings
  }

  async function cutPhase(): Promise<LogFindings> {
    say("and now Kafka's logs")
    return logPhase({
      session,
      kafkaData: `${settings.local}/data/kafka`,
      burst: (name, seconds) => phase(name, seconds, () => delay(seconds * 1000, undefined, { signal }), LIGHT_RATE),
      settle: () => settlePhase('logs', true),
    })
  }

  try {
    if (settings.phases.has('main')) await mainPhase()
  } finally {
    await publisher[Symbol.asyncDispose]()
    await hives[Symbol.asyncDispose]()
  }
  readings.push({ phase: MAIN, device: JSON_DEVICE, readings: publisher.good })
  readings.push({ phase: MAIN, device: MOVING_DEVICE, readings: publisher.moved })
  for (const [device, sent] of hives.sent) readings.push({ phase: MAIN, device, readings: sent })
  if (settings.phases.has('main')) await settlePhase(MAIN)
  if (settings.phases.has('mosquitto')) await brokerPhase()
  const hostile = settings.phases.has('hostile') ? await attackedPhase() : undefined
  // A topic that is made anew has none of what went before.
  await settlePhase('processes', true)
  const hops = await readHops(kafka, isFleet)
  const processes = await checkProcesses(line, kafka, settings.seed)
  const logs = settings.phases.has('logs') ? await cutPhase() : undefined

  say('comparing')
  const rollups = await checkRollups(line.direct.telemetryUrl, signal)
  const { moves } = injector
  const findings = await check(line, { frames, readings, poison: publisher.poison, statuses: publisher.statuses, moves, hops, isFleet })
  const { report, wrong } = makeReport(
    {
      seed: settings.seed,
      minutes: settings.minutes,
      durationSeconds: Math.round((performance.now() - beganMs) / 1000),
      faults: addCounts(injector.counts, logs?.counts ?? {}),
      devices: settings.devices,
      dropped,
      resent,
      fenced: line.services.fenced(),
      settledSeconds,
      peakMegabytes: line.services.peakMegabytes(),
      endedByThemselves: line.services.endedByThemselves,
      leftOut: line.disk === undefined ? [`fill disk: ${NO_DISK[settings.standby ? 'standby' : 'user']}`] : [],
      hostile,
      logs,
      processes,
      rollups,
      stuck,
    },
    findings,
  )
  writeFileSync(REPORT, `${JSON.stringify(report, null, 2)}\n`)
  process.stdout.write(`\n${describeReport(report)}\n\n`)
  for (const line of wrong) process.stdout.write(`  WRONG: ${line}\n`)
  process.stdout.write(report.passed ? 'nothing lost, nothing twice\n' : `FAILED; logs are in ${line.directory}\n`)
  return report.passed
}

function addCounts(...all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const counts of all) for (const [kind, count] of Object.entries(counts)) sums[kind] = (sums[kind] ?? 0) + count
  return sums
}

function knownFingerprint(): Buffer {
  const found = readFirmwares().find(({ firmware }) => firmware.id === 'plant-1')
  if (found === undefined) throw new Error('schemas/firmware/plant-1.avsc is missing')
  return found.firmware.fingerprint
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

const settings = readSettings(process.env, DEFAULT_MINUTES)
// A run that fails before its end must not leave the report of an earlier one.
rmSync(REPORT, { force: true })
process.stdout.write(`chaos: SEED=${settings.seed} MINUTES=${settings.minutes}\n`)
process.exitCode = await withSession(settings, (session) => chaos(settings, session))
process.exit()
