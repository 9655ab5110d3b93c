import type { Duplex } from 'node:stream'
import { ConnectorError, type PublishHandler } from '../contract.ts'
import type { Flow } from './flow.ts'
import type { Packets } from './packets.ts'

/** Hands what was received to the handler, and counts it. */
export class Handover {
  publishes = 0
  /** Publishes that came after `stop`, and were not handed over. */
  left = 0
  private readonly handler: PublishHandler
  private readonly flow: Flow
  private readonly onRelease: () => void
  private stopped = false

  /** @param onRelease is called when less is outstanding than before */
  constructor(handler: PublishHandler, flow: Flow, onRelease: () => void) {
    this.handler = handler
    this.flow = flow
    this.onRelease = onRelease
  }

  stop(): void {
    this.stopped = true
  }

  /** Takes the publishes of one read. If the handler rejects, `stream` is destroyed. */
  take(publishes: Packets['publishes'], bytes: number, acknowledge: () => void, stream: Duplex): void {
    if (this.stopped) {
      this.left += publishes.length
      return
    }
    this.publishes += publishes.length
    this.flow.take(publishes.length, bytes)
    void this.handle(publishes, bytes, acknowledge, stream)
  }

  private async handle(publishes: Packets['publishes'], bytes: number, acknowledge: () => void, stream: Duplex): Promise<void> {
    try {
      await this.handler(publishes)
      acknowledge()
    } catch (error) {
      // Without this batch's PUBACKs no later ones may be sent. Only a new connection makes the
      // broker send the batch again.
      stream.destroy(new ConnectorError('MQTT_HANDLER', false, `handling ${publishes.length} messages`, error))
    }
    this.flow.release(publishes.length, bytes)
    this.onRelease()
  }
}
