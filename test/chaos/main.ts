import { rmSync, writeFileSync } from 'node:fs'
import { projectRoot, readFirmwares } from '../../schemas/files.ts'
import { check, type SentFrames, type SentReadings } from './check.ts'
import { createInjector } from './injector.ts'
import { JSON_DEVICE, startPublisher } from './publisher.ts'
import { BROKER, describeReport, MAIN, makeReport } from './report.ts'
import { planBrokerKills, planFaults } from './schedule.ts'
import { isFleet, SESSION_TIMEOUT_MS, type Session, totalsOf, withSession } from './session.ts'
import { readSettings, type Settings } from './settings.ts'
import { LAST_DEVICE } from './settle.ts'

const DEFAULT_MINUTES = 5
const REPORT = `${projectRoot}test/chaos/latest.json`
/** Shares of the load's time. */
const MAIN_SHARE = 0.75
const BROKER_SHARE = 0.15
const BROKER_MOST_S = 120
const BROKER_LEAST_S = 25

async function chaos(settings: Settings, { line, signal, say, load, settled }: Session): Promise<boolean> {
  const beganMs = performance.now()
  const injector = createInjector({ line, signal, say })
  const frames: SentFrames[] = []
  const readings: SentReadings[] = []
  const settledSeconds: Record<string, number> = {}

  async function phase(name: string, seconds: number, trouble: () => Promise<void>): Promise<{ dropped: number; resent: number }> {
    const running = await load(name, seconds)
    await trouble()
    say('no more faults; the devices send what they have left')
    const totals = await Promise.race([Promise.all(running.map(({ fleet }) => fleet.done)), aborted(signal)])
    for (const { firmware, fleet } of running) frames.push({ phase: name, ledger: fleet.ledger, firmware })
    return totalsOf(totals)
  }

  async function settlePhase(name: string): Promise<void> {
    const { last, seconds } = await settled()
    settledSeconds[name] = seconds
    readings.push({ phase: name, device: LAST_DEVICE, readings: [last] })
    say(`settled after ${seconds} s`)
  }

  const mainS = settings.minutes * 60 * MAIN_SHARE
  const brokerS = Math.max(BROKER_LEAST_S, Math.min(BROKER_MOST_S, settings.minutes * 60 * BROKER_SHARE))
  const publisher = await startPublisher(line.deviceUrl, knownFingerprint())
  const first = await phase(MAIN, mainS, async () => {
    const durationMs = mainS * 1000
    await injector.run(
      planFaults({ seed: settings.seed, durationMs, sessionTimeoutMs: SESSION_TIMEOUT_MS, diskCanFill: line.disk !== undefined }),
    )
    await publisher.drain()
  }).finally(() => publisher[Symbol.asyncDispose]())
  readings.push({ phase: MAIN, device: JSON_DEVICE, readings: publisher.good })
  await settlePhase(MAIN)

  say('and now Mosquitto')
  const second = await phase(BROKER, brokerS, () => injector.run(planBrokerKills(settings.seed, brokerS * 1000)))
  await settlePhase(BROKER)

  say('comparing')
  const findings = await check(line, { frames, readings, poison: publisher.poison, isFleet })
  const { report, wrong } = makeReport(
    {
      seed: settings.seed,
      minutes: settings.minutes,
      durationSeconds: Math.round((performance.now() - beganMs) / 1000),
      faults: injector.counts,
      devices: settings.devices,
      dropped: first.dropped + second.dropped,
      resent: first.resent + second.resent,
      fenced: line.services.fenced(),
      settledSeconds,
      peakMegabytes: line.services.peakMegabytes(),
      endedByThemselves: line.services.endedByThemselves,
      leftOut: line.disk === undefined ? ['fill disk: only root can mount a limited filesystem'] : [],
    },
    findings,
  )
  writeFileSync(REPORT, `${JSON.stringify(report, null, 2)}\n`)
  process.stdout.write(`\n${describeReport(report)}\n\n`)
  for (const line of wrong) process.stdout.write(`  WRONG: ${line}\n`)
  process.stdout.write(report.passed ? 'nothing lost, nothing twice\n' : `FAILED; logs are in ${line.directory}\n`)
  return report.passed
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
