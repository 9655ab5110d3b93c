import { setTimeout as delay } from 'node:timers/promises'
import { ANSWER_MS } from '../../status/service-report.ts'

/** Says whether somebody answers, by what is asked of it anyway. */
export interface Reach {
  /**
   * Asks, and waits for a moment. While a question is not answered, no other one is asked.
   * @returns what is wrong; undefined if the last question was answered
   */
  look(): Promise<string | undefined>
}

/** @param explain what to say of a failure */
export function createReach(ask: () => Promise<unknown>, explain: (cause: unknown) => string, now: () => number = Date.now): Reach {
  let pending: { readonly began: number; readonly answer: Promise<void> } | undefined
  let problem: string | undefined
  return {
    async look() {
      pending ??= {
        began: now(),
        answer: ask().then(
          () => {
            problem = undefined
            pending = undefined
          },
          (cause: unknown) => {
            problem = explain(cause)
            pending = undefined
          },
        ),
      }
      await Promise.race([pending.answer, delay(ANSWER_MS, undefined, { ref: false })])
      if (pending === undefined) return problem
      return problem ?? `no answer for ${Math.max(1, Math.round((now() - pending.began) / 1_000))} s`
    },
  }
}
