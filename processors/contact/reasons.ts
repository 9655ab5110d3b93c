import type { ReasonDoc } from '../contract.ts'

/** What can be read is never refused. */
export const reasons = {} as const satisfies Readonly<Record<string, ReasonDoc>>
