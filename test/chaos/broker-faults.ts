import type { Brokers } from './brokers.ts'
import { createRandom } from './random.ts'
import { type KafkaBroker, kafkaBrokers, type Stack } from './stack.ts'

/**
 * What goes wrong with one of three brokers of Kafka. `cut`: its connections with other brokers are
 * held, and with clients too unless it is cut from brokers alone. A broker that is paused is cut
 * from the controllers as well, and wakes up with what it believed before.
 */
export type BrokerFault = { readonly atMs: number; readonly forMs: number; readonly broker: KafkaBroker } & (
  | { readonly kind: 'kill broker' | 'pause broker' | 'fill disk of broker' }
  | { readonly kind: 'cut broker'; readonly from: 'everybody' | 'brokers' }
)

const kinds = ['kill broker', 'pause broker', 'cut broker', 'fill disk of broker'] as const satisfies readonly BrokerFault['kind'][]

const FIRST_MS = { least: 5_000, most: 9_000 }
/** From the beginning of one fault to that of the next. One begins when the one before is over. */
const GAP_MS = { least: 12_000, most: 18_000 }
/** The cluster takes a broker for dead after 3 s here. */
const LASTS_MS: Readonly<Record<BrokerFault['kind'], { readonly least: number; readonly most: number }>> = {
  'kill broker': { least: 0, most: 8_000 },
  'pause broker': { least: 5_000, most: 12_000 },
  'cut broker': { least: 3_000, most: 10_000 },
  'fill disk of broker': { least: 3_000, most: 6_000 },
}

/**
 * Beside the other faults of a seed, which stay the same. Only the disk of the last broker can be
 * full.
 */
export function planBrokerFaults(seed: number, durationMs: number, diskCanFill: boolean): readonly BrokerFault[] {
  const random = createRandom(seed ^ 0x4b414633)
  const faults: BrokerFault[] = []
  let round: BrokerFault['kind'][] = []
  for (let atMs = random.whole(FIRST_MS.least, FIRST_MS.most); atMs < durationMs; atMs += random.whole(GAP_MS.least, GAP_MS.most)) {
    if (round.length === 0) round = random.shuffled(kinds.filter((kind) => diskCanFill || kind !== 'fill disk of broker'))
    const kind = round.pop() as BrokerFault['kind']
    const lasts = LASTS_MS[kind]
    const common = { atMs, forMs: random.whole(lasts.least, lasts.most), broker: random.pick(kafkaBrokers) }
    const from = random.pick<'everybody' | 'brokers'>(['everybody', 'brokers'])
    if (atMs + common.forMs > durationMs) continue
    if (kind === 'cut broker') faults.push({ kind, ...common, from })
    else faults.push({ kind, ...common, ...(kind === 'fill disk of broker' ? { broker: 'kafka3' } : {}) })
  }
  return faults
}

export interface BrokerFaultOptions {
  readonly stack: Stack
  readonly brokers: Brokers
  readonly sleep: (ms: number) => Promise<void>
  readonly begin: (text: string) => void
}

/** Resolves once the broker is back. */
export async function injectBrokerFault(fault: BrokerFault, { stack, brokers, sleep, begin }: BrokerFaultOptions): Promise<void> {
  const { broker, forMs } = fault
  switch (fault.kind) {
    case 'kill broker':
      begin(`SIGKILL ${broker}`)
      await stack.kill(broker)
      await sleep(forMs)
      return stack.start(broker)
    case 'pause broker':
      begin(`SIGSTOP ${broker}`)
      await stack.signal(broker, 'SIGSTOP')
      try {
        await sleep(forMs)
      } finally {
        await stack.signal(broker, 'SIGCONT')
      }
      return
    case 'cut broker':
      begin(`${broker} cut from ${fault.from}`)
      brokers.cut(broker, fault.from)
      await sleep(forMs)
      brokers.mend(broker)
      return
    case 'fill disk of broker':
      begin(`the disk of ${broker} is full`)
      await brokers.disk?.fill()
      await sleep(forMs)
      await brokers.disk?.empty()
      // Kafka ends when its only folder of logs fails; one that wrote nothing meanwhile has not.
      await stack.kill(broker)
      return stack.start(broker)
  }
}
