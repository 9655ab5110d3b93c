import type { ReasonDoc } from '../contract.ts'

/** Why devices rejects the status of a device. */
export const reasons = {
  'unknown-device': {
    means: 'The device of the status is not in the app database.',
    whatToDo: 'Provision the device and redrive, or find out who publishes under this name.',
  },
} as const satisfies Readonly<Record<string, ReasonDoc>>
