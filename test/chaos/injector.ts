import { setTimeout as delay } from 'node:timers/promises'
import type { Line } from './line.ts'
import type { Consumer, Fault, FaultKind, Link } from './schedule.ts'
import type { Instance } from './services.ts'

export interface InjectorOptions {
  readonly line: Line
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Runs a schedule. */
export interface Injector {
  /** Resolves when every fault is over and what it took is back. */
  run(faults: readonly Fault[]): Promise<void>
  /** Faults that happened, by kind. */
  readonly counts: Readonly<Partial<Record<FaultKind, number>>>
}

/** A second instance has joined its group by then. */
const JOIN_MS = 4_000
const POLL_MS = 200
/** Backoff is over by then. */
const CONNECT_MS = 10_000
/** What a split waits for: two faults of the same thing do not overlap. */
const END_OF: Readonly<Record<Link, string>> = { devices: 'mosquitto', bridge: 'bridge', kafka: 'kafka', databases: 'postgres' }
/** The paused owner has woken up and met its successor by then. */
const MEET_MS = 4_000

/** Faults overlap, but not two that need the same thing: the second waits. */
export function createInjector({ line, signal, say }: InjectorOptions): Injector {
  const { stack, services, proxies, disk } = line
  const counts: Partial<Record<FaultKind, number>> = {}
  const turns = new Map<string, Promise<void>>()
  const sleep = (ms: number): Promise<void> => delay(ms, undefined, { signal })

  function inTurn(thing: string, action: () => Promise<void>): Promise<void> {
    const turn = (turns.get(thing) ?? Promise.resolve()).then(action)
    turns.set(thing, turn)
    return turn
  }

  /** Counted and told when it begins, which may be later than planned. */
  function begin(fault: Fault, text: string): void {
    counts[fault.kind] = (counts[fault.kind] ?? 0) + 1
    const lasting = fault.forMs > 0 ? ` for ${(fault.forMs / 1000).toFixed(1)} s` : ''
    say(`${text}${lasting}`)
  }

  async function inject(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case 'kill bridge':
        return kill(fault, 'bridge')
      case 'kill standardise':
        return kill(fault, 'standardise')
      case 'kill store':
        return kill(fault, 'store')
      case 'kill continuity':
        return kill(fault, 'continuity')
      case 'pause bridge':
        return inTurn('bridge', async () => {
          await hit('bridge', 'SIGSTOP')
          begin(fault, 'SIGSTOP bridge')
          await sleep(fault.forMs)
          services.signal('bridge', 'SIGCONT')
        })
      case 'pause standardise':
        return inTurn('standardise', () => pause(fault, 'standardise', fault.companion))
      case 'pause store':
        return inTurn('store', () => pause(fault, 'store', fault.companion))
      case 'two of standardise':
        return inTurn('standardise', () => scale(fault, 'standardise'))
      case 'two of store':
        return inTurn('store', () => scale(fault, 'store'))
      case 'kill Kafka':
        return restart(fault, 'kafka')
      case 'kill PostgreSQL':
        return restart(fault, 'postgres')
      case 'kill registry':
        return restart(fault, 'registry')
      case 'kill Mosquitto':
        return restart(fault, 'mosquitto')
      case 'stop PostgreSQL at once':
        return inTurn('postgres', async () => {
          begin(fault, 'PostgreSQL stopped (immediate)')
          await stack.stopPostgresAtOnce()
          await sleep(fault.forMs)
          await stack.start('postgres')
        })
      case 'fill disk':
        return inTurn('postgres', async () => {
          begin(fault, "the telemetry database's disk is full")
          await disk?.fill()
          await sleep(fault.forMs)
          await disk?.empty()
        })
      case 'reset connections':
        return split(fault.link, async (connections) => {
          begin(fault, `${connections} connections of ${fault.link} reset`)
          proxies[fault.link].reset()
        })
      case 'half-open connections':
        return split(fault.link, async (connections) => {
          begin({ ...fault, forMs: 0 }, `${connections} connections of ${fault.link} half open`)
          proxies[fault.link].halfOpen()
        })
      case 'stall connections':
        return split(fault.link, async (connections) => {
          begin(fault, `${connections} connections of ${fault.link} stalled`)
          proxies[fault.link].stall()
          await sleep(fault.forMs)
          proxies[fault.link].resume()
        })
    }
  }

  /** Once what the link leads to is there, and somebody is connected to it. */
  function split(link: Link, action: (connections: number) => Promise<void>): Promise<void> {
    return inTurn(END_OF[link], async () => {
      const deadline = Date.now() + CONNECT_MS
      while (proxies[link].connections === 0 && Date.now() < deadline) await sleep(POLL_MS)
      const { connections } = proxies[link]
      if (connections > 0) await action(connections)
      else say(`nobody is connected to ${link}: no connection is split`)
    })
  }

  function kill(fault: Fault, instance: Instance): Promise<void> {
    return inTurn(instance, async () => {
      await hit(instance, 'SIGKILL')
      begin(fault, `SIGKILL ${instance}`)
    })
  }

  /** One that was killed a moment ago is waited for: a signal that meets nobody is no fault. */
  async function hit(instance: Instance, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
    while (!services.signal(instance, signal)) await sleep(POLL_MS)
  }

  /** SIGSTOP past the session timeout. With a companion, its partitions go there, and it must be refused when it wakes up. */
  async function pause(fault: Fault, consumer: Consumer, companion: boolean): Promise<void> {
    if (companion) {
      await services.start(`${consumer}-2`)
      await sleep(JOIN_MS)
    }
    await hit(consumer, 'SIGSTOP')
    begin(fault, `SIGSTOP ${consumer}${companion ? ' beside a second instance' : ''}`)
    await sleep(fault.forMs)
    services.signal(consumer, 'SIGCONT')
    await sleep(MEET_MS)
    if (companion) await services.stop(`${consumer}-2`)
  }

  async function scale(fault: Fault, consumer: Consumer): Promise<void> {
    begin(fault, `a second ${consumer}`)
    await services.start(`${consumer}-2`)
    await sleep(fault.forMs)
    await services.stop(`${consumer}-2`)
  }

  function restart(fault: Fault, part: 'kafka' | 'postgres' | 'registry' | 'mosquitto'): Promise<void> {
    return inTurn(part, async () => {
      begin(fault, `SIGKILL ${part}`)
      await stack.kill(part)
      await sleep(fault.forMs)
      await stack.start(part)
    })
  }

  return {
    counts,
    async run(faults) {
      const beganMs = performance.now()
      const underWay: Promise<void>[] = []
      try {
        for (const fault of faults) {
          await sleep(Math.max(0, beganMs + fault.atMs - performance.now()))
          const done = inject(fault)
          // Awaited below; until then its failure must not end the process.
          done.catch(() => undefined)
          underWay.push(done)
        }
        await Promise.all(underWay)
      } finally {
        // Whoever cleans up must not meet a part that is just being started again.
        await Promise.allSettled(underWay)
      }
    },
  }
}
