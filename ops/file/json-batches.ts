/** A message of one device. */
export interface JsonBatch {
  readonly device: string
  readonly text: string
  readonly samples: number
}

interface Open {
  parts: string[]
  /** Two values for one time in one message would be ambiguous; in two, the store decides. */
  times: Set<string>
  bytes: number
  firstDay: number
  lastDay: number
}

const MOST_BYTES = 16_384
/** A message of more days (UTC) than 100 would be refused (processors/time-bounds.ts). */
const MOST_DAYS = 90
/** Samples that wait in all devices together. */
const MOST_WAITING = 50_000

/**
 * Makes JSON telemetry of lines in standard form: arrays of samples, each of one device and in the
 * order of the lines.
 */
export class JsonBatches {
  private readonly names: readonly string[]
  private readonly open = new Map<string, Open>()
  private waiting = 0

  constructor(quantities: readonly string[]) {
    this.names = quantities.map((name) => JSON.stringify(name))
  }

  /** @returns messages that are complete */
  add(line: string): readonly JsonBatch[] {
    const [time = '', device = '', ...values] = line.split(',')
    const fields = values.flatMap((value, index) => (value === '' ? [] : [`${this.names[index]}:${value}`]))
    const sample = `{"ts":${JSON.stringify(time)},${fields.join(',')}}`
    const day = Math.floor(Date.parse(time.slice(0, 10)) / 86_400_000)
    const complete: JsonBatch[] = []
    let batch = this.open.get(device)
    if (
      batch !== undefined &&
      (batch.times.has(time) || batch.bytes + sample.length + 2 > MOST_BYTES || this.days(batch, day) > MOST_DAYS)
    ) {
      complete.push(this.close(device, batch))
      batch = undefined
    }
    if (batch === undefined) {
      batch = { parts: [], times: new Set(), bytes: 2, firstDay: day, lastDay: day }
      this.open.set(device, batch)
    }
    batch.parts.push(sample)
    batch.times.add(time)
    batch.bytes += sample.length + 1
    batch.firstDay = Math.min(batch.firstDay, day)
    batch.lastDay = Math.max(batch.lastDay, day)
    this.waiting++
    return this.waiting < MOST_WAITING ? complete : [...complete, ...this.finish()]
  }

  /** @returns what was not complete yet */
  finish(): readonly JsonBatch[] {
    return [...this.open].map(([device, batch]) => this.close(device, batch))
  }

  private days({ firstDay, lastDay }: Open, day: number): number {
    return Math.max(lastDay, day) - Math.min(firstDay, day) + 1
  }

  private close(device: string, { parts }: Open): JsonBatch {
    this.open.delete(device)
    this.waiting -= parts.length
    return { device, text: `[${parts.join(',')}]`, samples: parts.length }
  }
}
