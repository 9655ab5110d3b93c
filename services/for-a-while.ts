import type { Health } from './service.ts'

/** Reports an event that is over to health, by part, for this long after it happened last. */
export function forAWhile(problem: Health['set'], ms: number): (part: string, what: string) => void {
  const timers = new Map<string, NodeJS.Timeout>()
  return (part, what) => {
    clearTimeout(timers.get(part))
    problem(part, what)
    timers.set(part, setTimeout(() => problem(part, null), ms).unref())
  }
}
