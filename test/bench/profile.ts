/** A kind of load: what the messages are like. */
export interface Profile {
  readonly name: ProfileName
  readonly says: string
  /** What a message is. */
  readonly message: 'frame' | 'message'
  readonly firmware: string
  readonly devices: number
  /** Values in a sample. */
  readonly quantities: number
  /** Further options of the fleet. */
  readonly options: readonly string[]
  /** Where the search begins, in readings a second. */
  readonly firstRate: number
}

export const PROFILE_NAMES = ['full', 'sparse', 'json'] as const
export type ProfileName = (typeof PROFILE_NAMES)[number]

/** 9 billion readings a day: the floor, at which latency is measured. */
export const FLOOR_RATE = 104_167

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  full: {
    name: 'full',
    says: 'frames as full as 280 bytes allow',
    message: 'frame',
    firmware: 'plant-1',
    devices: 1_000,
    quantities: 5,
    // Sealed when full: at the floor's rate a device needs 1.6 s for a frame.
    options: ['--flush-ms', '10000'],
    firstRate: 250_000,
  },
  sparse: {
    name: 'sparse',
    says: 'one sample of 5 quantities in a frame',
    message: 'frame',
    firmware: 'plant-1',
    devices: 1_000,
    quantities: 5,
    options: ['--sparse'],
    firstRate: 75_000,
  },
  json: {
    name: 'json',
    says: 'plain JSON, one sample of 5 quantities in a message',
    message: 'message',
    firmware: 'plant-1',
    devices: 1_000,
    quantities: 5,
    options: ['--json'],
    firstRate: 75_000,
  },
}
