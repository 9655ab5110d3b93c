import { decimal, duration, whole } from '../figures.ts'

/** What happens to the programs of a supervisor. */
export type SupervisorEvent =
  | { readonly tag: 'started'; readonly name: string; readonly pid: number }
  | { readonly tag: 'leftover-ended'; readonly name: string; readonly pid: number }
  /** It ended by itself, or could not be started, and will be started again. */
  | { readonly tag: 'ended'; readonly name: string; readonly how: string; readonly livedMs: number; readonly pauseMs: number }
  /** It did not stop in time and was ended by SIGKILL. */
  | { readonly tag: 'killed'; readonly name: string; readonly pid: number; readonly afterMs: number }
  | { readonly tag: 'stopped'; readonly name: string; readonly how: string }

/** The event as a line for people. */
export function describeEvent(event: SupervisorEvent): string {
  switch (event.tag) {
    case 'started':
      return `${event.name} started (PID ${event.pid})`
    case 'leftover-ended':
      return `${event.name} was still running from an earlier start (PID ${event.pid}); it was ended`
    case 'ended':
      return `${event.name} ended after ${duration(event.livedMs)} (${event.how}); starting it again in ${decimal(event.pauseMs / 1000, 1)} s`
    case 'killed':
      return `${event.name} (PID ${event.pid}) did not stop within ${whole(event.afterMs / 1000)} s and was killed`
    case 'stopped':
      return `${event.name} stopped (${event.how})`
  }
}
