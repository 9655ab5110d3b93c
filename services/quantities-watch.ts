import type { Clock } from '../connectors/clock.ts'
import type { Log } from '../connectors/contract.ts'
import type { SchemaRegistry } from '../connectors/registry/registry.ts'
import { quantities } from '../schemas/generated/readings.ts'
import type { Quantity } from '../schemas/quantities.ts'
import { repeated } from './process/repeated.ts'
import { lackedQuantities } from './registered.ts'

/**
 * Quantities are constants of a process (docs/adr/0029-quantities-of-a-deployment.md): it starts
 * again to know others.
 */
export class QuantitiesChanged extends Error {
  override readonly name = 'QuantitiesChanged'
}

export interface QuantitiesWatchOptions {
  /** Reads the deployment's file of quantities, as it is now. */
  readonly read: () => readonly Quantity[]
  readonly registry: Pick<SchemaRegistry, 'version'>
  readonly clock: Clock
  readonly log: Log
  /** Health: null while the file can be used, else what is wrong with it. */
  readonly problem: (what: string | null) => void
}

export interface QuantitiesWatch extends AsyncDisposable {
  /** Rejects once the service is to start again. */
  readonly changed: Promise<never>
}

const EVERY_MS = 5_000

/**
 * Looks whether readings in the registry have quantities that this process lacks, and the
 * deployment's file now has. Both say that it is time: the file alone may be there before `millrace
 * migrate` and `millrace schemas register`, and a store that started again too early would lack the
 * column. The registry is asked only while the file has something new.
 */
export function watchQuantities({ read, registry, clock, log, problem }: QuantitiesWatchOptions): QuantitiesWatch {
  const known = new Set(quantities.map(({ name }) => name))
  let tell: (cause: QuantitiesChanged) => void = () => undefined
  const changed = new Promise<never>((_, reject) => {
    tell = reject
  })
  // Whoever waits for it may have stopped.
  changed.catch(() => undefined)
  const running = repeated({
    doing: 'looking for new quantities',
    everyMs: EVERY_MS,
    clock,
    log,
    problem,
    async work() {
      const fresh = new Set(read().flatMap(({ name }) => (known.has(name) ? [] : [name])))
      if (fresh.size === 0) return false
      const lacked = await lackedQuantities(registry)
      if (lacked.length > 0 && lacked.every((name) => fresh.has(name)))
        tell(new QuantitiesChanged(`readings now have ${lacked.join(', ')}, and so has the file of quantities: starting again with them`))
      return false
    },
  })
  return { changed, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}
