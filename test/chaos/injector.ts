import { setTimeout as delay } from 'node:timers/promises'
import { injectBrokerFault } from './broker-faults.ts'
import { watchCommits } from './first-commit.ts'
import { attack } from './hostile.ts'
import type { Line } from './line.ts'
import { promoteStandby } from './promotions.ts'
import { MOVING_DEVICE } from './publisher.ts'
import type { Consumer, Fault, FaultKind, Link } from './schedule.ts'
import type { Instance } from './services.ts'
import type { KafkaBroker } from './stack.ts'

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
  /** How the device that moves did, in order of time. */
  readonly moves: readonly Move[]
}

/** A device went to another account. */
export interface Move {
  readonly account: string
  /** As of when. */
  readonly atMs: number
  /** By then the database had it. */
  readonly writtenMs: number
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

/** What is committed meanwhile is lost with the power. */
const WRITER_STANDS_MS = 400
/**
 * Share of an attack that goes along with other faults: what it brings waits in Mosquitto while the
 * bridge is away.
 */
const ATTACK_SCALE = 0.2

/** Faults overlap, but not two that need the same thing: the second waits. */
export function createInjector({ line, signal, say }: InjectorOptions): Injector {
  const { stack, services, proxies, brokers, disk } = line
  const counts: Partial<Record<FaultKind, number>> = {}
  const moves: Move[] = []
  const turns = new Map<string, Promise<void>>()
  const sleep = (ms: number): Promise<void> => delay(ms, undefined, { signal })

  function inTurn(thing: string, action: () => Promise<void>): Promise<void> {
    const turn = (turns.get(thing) ?? Promise.resolve()).then(action)
    turns.set(thing, turn)
    return turn
  }

  /** Once nothing else goes wrong with any of these. */
  function inTurnOfAll([first, ...others]: readonly string[], action: () => Promise<void>): Promise<void> {
    return first === undefined ? action() : inTurn(first, () => inTurnOfAll(others, action))
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
      case 'kill movement':
        return kill(fault, 'movement')
      case 'kill alerts':
        return kill(fault, 'alerts')
      case 'kill contact':
        return kill(fault, 'contact')
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
      case 'pause movement':
        return inTurn('movement', () => pause(fault, 'movement', fault.companion))
      case 'pause alerts':
        return inTurn('alerts', () => pause(fault, 'alerts', fault.companion))
      case 'pause contact':
        return inTurn('contact', () => pause(fault, 'contact', fault.companion))
      case 'two of standardise':
        return inTurn('standardise', () => scale(fault, 'standardise'))
      case 'two of store':
        return inTurn('store', () => scale(fault, 'store'))
      case 'two of movement':
        return inTurn('movement', () => scale(fault, 'movement'))
      case 'two of alerts':
        return inTurn('alerts', () => scale(fault, 'alerts'))
      case 'two of contact':
        return inTurn('contact', () => scale(fault, 'contact'))
      case 'kill Kafka':
        return restart(fault, 'kafka', ...brokers.names.slice(1))
      case 'kill broker':
      case 'pause broker':
      case 'cut broker':
      case 'fill disk of broker':
        return inTurn('kafka', () => injectBrokerFault(fault, { stack, brokers, sleep, begin: (text) => begin(fault, text) }))
      case 'kill PostgreSQL':
        return inTurn('postgres', async () => {
          begin(fault, 'PostgreSQL without power')
          await stack.cutPostgresPower(() => sleep(WRITER_STANDS_MS))
          await sleep(fault.forMs)
          await stack.start(stack.primary)
        })
      case 'kill registry':
        return restart(fault, 'registry')
      case 'kill Mosquitto':
        return restart(fault, 'mosquitto')
      case 'stop PostgreSQL at once':
        return inTurn('postgres', async () => {
          begin(fault, 'PostgreSQL stopped (immediate)')
          await stack.stopPostgresAtOnce()
          await sleep(fault.forMs)
          await stack.start(stack.primary)
        })
      case 'fill disk':
        return inTurn('postgres', async () => {
          begin(fault, "the telemetry database's disk is full")
          await disk?.fill()
          await sleep(fault.forMs)
          await disk?.empty()
        })
      case 'stall notifications':
        // Only what goes through at once shows whether what is known is too old.
        return inTurnOfAll(['bridge', 'kafka', 'postgres', 'standardise'], () => stallNotifications(fault))
      case 'hostile device':
        begin(fault, `a hostile device: ${fault.attack}`)
        await attack(fault.attack, line.deviceUrl, ATTACK_SCALE).catch((cause: unknown) =>
          say(`${fault.attack} ended early: ${String(cause)}`),
        )
        return
      case 'first commit':
        return inTurn('postgres', () => firstCommit(fault, fault.consumer))
      case 'promote standby':
        return inTurn('postgres', () =>
          promoteStandby(stack, { lagMs: fault.lagMs, awayMs: fault.forMs }, sleep, (text) => begin({ ...fault, forMs: 0 }, text)),
        )
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

  /** The good device moves while nobody can be told. */
  async function stallNotifications(fault: Fault): Promise<void> {
    let swallowed = proxies.databases.swallow()
    // The server may have come back a moment ago.
    for (const deadline = Date.now() + CONNECT_MS; swallowed === 0 && Date.now() < deadline; swallowed = proxies.databases.swallow())
      await sleep(POLL_MS)
    begin(fault, `${swallowed} connections that listen for changes of devices swallowed`)
    const account = `chaos-${moves.length + 2}`
    const atMs = Date.now()
    await line.millrace('devices', 'move', '--account', account, '--site', 'orchard', '--at', new Date(atMs).toISOString(), MOVING_DEVICE)
    moves.push({ account, atMs, writtenMs: Date.now() })
    await sleep(fault.forMs)
  }

  async function firstCommit(fault: Fault, consumer: 'store' | 'continuity'): Promise<void> {
    await using watch = await watchCommits(line.direct.telemetryUrl, consumer, new Date(0), signal)
    let seen = false
    await stack.cutPostgresPower(async () => {
      seen = await watch.committed()
    })
    if (seen) begin(fault, `PostgreSQL without power at the first commit of ${consumer}`)
    else say(`${consumer} did not commit: PostgreSQL lost its power all the same`)
    await stack.start(stack.primary)
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

  /**
   * SIGSTOP past the session timeout. With a companion, its partitions go there, and it must be
   * refused when it wakes up.
   */
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

  /** All of them at once. */
  function restart(fault: Fault, part: 'kafka' | 'registry' | 'mosquitto', ...others: readonly KafkaBroker[]): Promise<void> {
    return inTurn(part, async () => {
      begin(fault, `SIGKILL ${[part, ...others].join(' ')}`)
      await stack.kill(part, ...others)
      await sleep(fault.forMs)
      await stack.start(part, ...others)
    })
  }

  return {
    counts,
    moves,
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
