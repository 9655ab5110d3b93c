import type { ReasonDoc } from '../../processors/contract.ts'

/** Why frost-alert rejects a sample. */
export const reasons = {
  'nobody-to-alert': {
    means: 'The sample is below zero, and its device was assigned to no account at that time.',
    whatToDo: 'Assign the device as of that time (`millrace devices add --from`) and redrive.',
  },
} as const satisfies Readonly<Record<string, ReasonDoc>>
