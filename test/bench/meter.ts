import { ofFamily, ofProcess, type ProcessFigures } from './processes.ts'

/** What a process used over a while. */
export interface ProcessUse {
  readonly cpuSeconds: number
  /** Most that was resident at a time. */
  readonly peakMb: number
}

/** Measures processes from its making on. */
export interface Meter {
  /** Takes a look, for the peaks. */
  look(): void
  /** CPU since the making, peaks of all looks. */
  finish(): ReadonlyMap<string, ProcessUse>
}

/** @param pids by name; `postgres` stands for its whole family */
export function createMeter(pids: () => ReadonlyMap<string, number>): Meter {
  const first = figures(pids())
  const peaks = new Map<string, number>()
  const look = (): ReadonlyMap<string, ProcessFigures> => {
    const now = figures(pids())
    for (const [name, { residentMb }] of now) peaks.set(name, Math.max(peaks.get(name) ?? 0, residentMb))
    return now
  }
  return {
    look: () => void look(),
    finish: () =>
      new Map(
        [...look()].map(([name, { cpuSeconds }]) => [
          name,
          { cpuSeconds: cpuSeconds - (first.get(name)?.cpuSeconds ?? 0), peakMb: peaks.get(name) ?? 0 },
        ]),
      ),
  }
}

function figures(pids: ReadonlyMap<string, number>): ReadonlyMap<string, ProcessFigures> {
  return new Map(
    [...pids].flatMap(([name, pid]) => {
      const found = name === 'postgres' ? ofFamily(pid) : ofProcess(pid)
      return found === undefined ? [] : [[name, found] as const]
    }),
  )
}
