import type { ReasonDoc } from '../contract.ts'

/** Why movement rejects the fixes of a device. */
export const reasons = {
  'unknown-device': {
    means: 'The device of the fixes is not in the app database.',
    whatToDo: 'Provision the device and redrive.',
  },
} as const satisfies Readonly<Record<string, ReasonDoc>>
