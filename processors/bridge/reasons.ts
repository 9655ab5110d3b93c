import type { ReasonDoc } from '../contract.ts'

/** Why the bridge makes a message a dead letter. */
export const reasons = {
  'unknown-fingerprint': {
    means:
      'The frame was written with a schema that the registry does not have, also after reading it again; or the registry did not answer while the frame could wait.',
    whatToDo:
      'Register the firmware schema that the device was built with (`millrace schemas register FILE`, while everything runs), and redrive: the detail has the command. A fingerprint that nobody knows is a device with foreign firmware.',
  },
  'over-size': {
    means: 'The payload, or the record that it becomes with its topic, is larger than the bridge forwards.',
    whatToDo: 'Let the device publish smaller messages. If it cannot, raise the limit of the bridge and redrive.',
  },
  'over-rate': {
    means:
      'The device sends more messages or bytes than the rate limit of the bridge lets through, or lets wait. A dead letter without bytes says how many more there were, and is all that is left of them.',
    whatToDo:
      'Look at the device. Raise the rate or the burst if it is right; redrive what should be stored after all: a redrive has no rate limit.',
  },
  retained: {
    means:
      "A frame out of the broker's store of retained messages that gives an uptime and no time of day: it may have been measured at any time, and stored when it was published.",
    whatToDo:
      'Let the device publish telemetry without the retain flag, and clear what is retained. A redrive stores it with the moment at which the bridge met it.',
  },
  'bad-status': {
    means: 'A status message that is not {"state": "init|ready|sleeping|lost", …}: the detail names the field.',
    whatToDo: 'Correct the device. Until then its state in the app database is the one before.',
  },
  'no-route': {
    means: 'No route and no dialect takes the topic, and `bridge.unknown_topics` is `dead-letter`.',
    whatToDo:
      'Add a dialect for it (`dialects`), or a route (`bridge.routes`), and redrive: `millrace redrive bridge --reason no-route`. `millrace topics unknown` has an overview.',
  },
  'bad-device-id': {
    means: 'The device level of the topic is no device ID: 1 to 64 of A–Z, a–z, 0–9, _ and -, starting with a letter or digit.',
    whatToDo: "Give the device another name. The broker's access list should not have let this one publish.",
  },
  defect: {
    means: "The bridge's own code failed on this message: a mistake in the bridge, not in the message.",
    whatToDo: 'Report it with the detail, and redrive with a corrected version.',
  },
} as const satisfies Record<string, ReasonDoc>

export type Reason = keyof typeof reasons

/** Why the bridge leaves a message out on purpose. */
export const dropReasons = {
  'no-route': {
    means: 'No route and no dialect takes the topic: `millrace topics unknown` has an example of each.',
    whatToDo: 'Add a dialect or a route if it is telemetry. To keep such messages until then, set `bridge.unknown_topics: dead-letter`.',
  },
  'empty-payload': {
    means: 'A message without any bytes, such as the one that clears a retained message. There is nothing in it.',
    whatToDo: 'Nothing.',
  },
  copy: {
    means: 'The broker delivered the message once more, because two of the subscriptions match its topic: see docs/broker.md.',
    whatToDo: 'Nothing.',
  },
  'status-cleared': {
    means: 'An empty status message: somebody cleared the retained status of a device. There is no state in it.',
    whatToDo: 'Nothing.',
  },
} as const satisfies Record<string, ReasonDoc>

export type DropReason = keyof typeof dropReasons
