import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { BrokerAccess } from '../../connectors/mqtt/dial.ts'
import { openPublisher } from '../../connectors/mqtt/publisher.ts'
import { JsonBatches } from './json-batches.ts'

/** How far a file is on its way. */
export interface SentFigures {
  readonly devices: number
  readonly connected: number
  /** Messages that the broker had nobody for; they are sent again. */
  readonly refused: number
  /** Lines that the broker has acknowledged. */
  readonly acked_samples: number
}

/** Something that sends a file through the line. Disposing stops it. */
export interface FileSender extends AsyncDisposable {
  stats(): SentFigures | undefined
  /** 0 if every line was sent and acknowledged. Never rejects. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** What it says of itself if it did not end well. */
  words(): readonly string[]
}

export interface JsonSenderOptions {
  /** In standard form: time, device, quantities. */
  readonly path: string
  readonly broker: BrokerAccess
  readonly topicOf: (device: string) => string
  /** What the bridge lets pass of each device: bytes at once, and a second. */
  readonly rate: { readonly burstBytes: number; readonly bytesPerSecond: number }
}

/** Messages under way at a time. */
const WINDOW = 100
/** Of the bridge's limits, so that other messages of these devices pass too. */
const SHARE = 0.5

/** Sends a file as JSON telemetry: exact, whatever decimals it has. */
export function sendAsJson({ path, broker, topicOf, rate }: JsonSenderOptions): FileSender {
  const publisher = openPublisher(broker, `millrace-file-${process.pid}`)
  const stopping = new AbortController()
  const underWay = new Set<Promise<void>>()
  const begunMs = Date.now()
  const bytesOf = new Map<string, number>()
  let acked = 0
  let failure: string | undefined

  async function pace(device: string, bytes: number): Promise<void> {
    const total = (bytesOf.get(device) ?? 0) + bytes
    bytesOf.set(device, total)
    for (;;) {
      const allowed = SHARE * (rate.burstBytes + ((Date.now() - begunMs) / 1000) * rate.bytesPerSecond)
      if (total <= allowed || stopping.signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async function send(device: string, text: string, samples: number): Promise<void> {
    const payload = Buffer.from(text, 'utf8')
    await pace(device, payload.length)
    while (underWay.size >= WINDOW) await Promise.race(underWay)
    stopping.signal.throwIfAborted()
    if (failure !== undefined) throw new Error(failure)
    const publication: Promise<void> = publisher
      .publish(topicOf(device), payload)
      .then(
        () => {
          acked += samples
        },
        (cause: unknown) => {
          failure ??= `${topicOf(device)}: ${cause instanceof Error ? cause.message : String(cause)}`
        },
      )
      .finally(() => underWay.delete(publication))
    underWay.add(publication)
  }

  async function run(): Promise<number> {
    const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
    let batches: JsonBatches | undefined
    for await (const line of lines) {
      if (batches === undefined) batches = new JsonBatches(line.split(',').slice(2))
      else for (const { device, text, samples } of batches.add(line)) await send(device, text, samples)
    }
    for (const { device, text, samples } of batches?.finish() ?? []) await send(device, text, samples)
    while (underWay.size > 0) await Promise.race(underWay)
    if (failure !== undefined) throw new Error(failure)
    return 0
  }

  const ended = run().catch((cause: unknown) => {
    failure ??= cause instanceof Error ? cause.message : String(cause)
    return 1
  })
  return {
    stats: () => ({ devices: 1, connected: publisher.connected ? 1 : 0, refused: publisher.refused, acked_samples: acked }),
    ended,
    words: () => (failure === undefined ? [] : [failure]),
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('stopped'))
      await publisher[Symbol.asyncDispose]()
      await ended
    },
  }
}
