import type { ReasonDoc } from '../contract.ts'

/**
 * Alerts refuses nothing that can be read: a sample without account, or without a rule, is left
 * out.
 */
export const reasons = {} as const satisfies Readonly<Record<string, ReasonDoc>>
