import { Counter, collectDefaultMetrics, Gauge, type Registry } from 'prom-client'

/**
 * A figure that only grows. It is read when it is asked for, so counting costs the hot path one
 * addition.
 */
export function counter(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      this.inc(read())
    },
  })
}

/** Counts by reason: a closed list, so the labels are bounded. */
export function counterByReason(registry: Registry, name: string, help: string, read: () => Iterable<readonly [string, number]>): void {
  new Counter({
    name,
    help,
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [reason, value] of read()) this.inc({ reason }, value)
    },
  })
}

/** Counts by reason and by quantity, both closed lists. */
export function counterByQuantity(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<readonly [string, Iterable<readonly [string, number]>]>,
): void {
  new Counter({
    name,
    help,
    labelNames: ['reason', 'quantity'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [reason, quantities] of read()) for (const [quantity, value] of quantities) this.inc({ reason, quantity }, value)
    },
  })
}

/** A figure that goes up and down. */
export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read())
    },
  })
}

/** Memory, CPU and event-loop figures of this process. */
export function processMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
}
