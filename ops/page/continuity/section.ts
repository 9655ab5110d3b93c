import { setTimeout as delay } from 'node:timers/promises'
import { sharedAnswer } from '../../../services/http-server.ts'
import { askContinuity } from '../../continuity/ask.ts'
import { type ContinuityReport, type DeviceReport, isRemarkable } from '../../continuity/report.ts'
import { whole } from '../../figures.ts'
import type { OpenSection } from '../section.ts'
import type { ContinuityFigures, ContinuityState, DeviceFigures, FrameFigures } from './messages.ts'

const LOOK_MS = 30_000
/** The question reads the ledger, and Kafka from where the ledger ends. */
const SHARE = 0.1
/** Reading so many takes about a second. */
const MOST_RECORDS = 200_000n
const MOST_LISTED = 200

/** Where every frame is: feed `continuity`. */
export const openContinuitySection: OpenSection = async ({ config, services }) => {
  const look = sharedAnswer(SHARE, LOOK_MS, async (): Promise<ContinuityState> => {
    const found = await askContinuity({ config, services, filter: { device: null, sinceMs: null }, mostRecords: MOST_RECORDS })
    const at = Date.now()
    switch (found.tag) {
      case 'never-begun':
        return { at, answer: null, why: 'the ledger was never begun: `continuity` is not among the processors that run' }
      case 'behind':
        return { at, answer: null, why: `the ledger is ${whole(found.records)} records behind: \`millrace continuity\` can read them` }
      case 'answer':
        return { at, answer: figuresOf(found.report, Number(found.tails.lost)), why: null }
    }
  })
  return {
    name: 'continuity',
    feeds: [
      {
        name: 'continuity',
        silentMs: 75_000,
        async run({ publish, signal }) {
          while (!signal.aborted) {
            publish(await look())
            await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
          }
        },
      },
    ],
    async [Symbol.asyncDispose]() {},
  }
}

function figuresOf({ frames, addsUp, strangers, devices }: ContinuityReport, lost: number): ContinuityFigures {
  const remarkable = devices.filter(isRemarkable)
  return {
    frames: framesOf(frames),
    addsUp,
    devices: devices.length,
    remarkable: remarkable.length,
    listed: remarkable.slice(0, MOST_LISTED).map(deviceOf),
    strangers: strangers.frames,
    lost,
  }
}

function deviceOf({ device, frames, droppedSamples: dropped, partlyDead, conflicts }: DeviceReport): DeviceFigures {
  return { device, ...framesOf(frames), dropped, partlyDead, conflicts }
}

function framesOf({ numbered, stored, deadLettered, inFlight, missing }: FrameFigures): FrameFigures {
  return { numbered, stored, deadLettered, inFlight, missing }
}
