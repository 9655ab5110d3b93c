import { setTimeout as delay } from 'node:timers/promises'
import { frameRecord, openFrameProducer, type TestFirmware, wire } from './frames.ts'

/** Frames under way, until they are told to end. */
export interface Load {
  /** Frames sent so far, and acknowledged by Kafka. */
  sent(): number
  /** Ends it; returns the number of frames sent. */
  stop(): Promise<number>
}

/**
 * A steady load: every 50 ms a share of `framesPerSecond`, one sample each, over the devices in
 * turn. Waits where Kafka does.
 */
export async function steadyLoad(
  firmware: TestFirmware,
  schemaId: number,
  devices: readonly string[],
  framesPerSecond: number,
): Promise<Load> {
  const producer = await openFrameProducer()
  const start = Date.now() - 3_600_000
  let sent = 0
  let running = true
  const done = (async () => {
    while (running) {
      const share = Array.from({ length: framesPerSecond / 20 }, (_, index) => {
        const frame = sent + index
        return frameRecord(devices[frame % devices.length] as string, wire(schemaId, firmware.datum(frame, start + frame, [2000])))
      })
      await producer.send(share)
      sent += share.length
      await delay(50)
    }
    await producer[Symbol.asyncDispose]()
  })()
  return {
    sent: () => sent,
    async stop() {
      running = false
      await done
      return sent
    },
  }
}
