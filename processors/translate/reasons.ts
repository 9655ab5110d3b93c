import { MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import type { ReasonDoc } from '../contract.ts'
import { MOST_DAYS } from '../time-bounds.ts'

/** Why translate rejects a message, or samples or values of it. */
export const reasons = {
  'unknown-topic': {
    means: 'No dialect takes the topic: one that did when the bridge took the message has been removed from the configuration, or changed.',
    whatToDo: 'Put the dialect, or its topic, back and redrive.',
  },
  'bad-payload': {
    means: 'The payload is not what the codec of its dialect reads: the detail has the place and what was expected.',
    whatToDo: 'Correct the device, or the `payload` of the dialect, and redrive.',
  },
  'too-many-samples': {
    means: `The message has more than ${MOST_SAMPLES} records.`,
    whatToDo: 'Let the device publish its backlog in several messages.',
  },
  'nothing-found': {
    means: 'No rule of the dialect found a value in the message, or a sample has no value. The detail shows its beginning.',
    whatToDo:
      'Correct the dialect (`millrace dialect try` shows step by step what it looks for) and redrive. If messages of this kind are no telemetry, let the dialect say `ignore` or `otherwise: ignore`.',
  },
  'bad-value': {
    means:
      'A value is no number, or cannot be converted into one: the detail has the field, what was expected and what is there. The other values of the sample went on.',
    whatToDo: 'Correct the device or the dialect (`missing`, `map`, `split`, `bytes`), and redrive: the value is added to its row.',
  },
  'unknown-unit': {
    means: 'The message gives a value a unit that the dialect does not know, or none where it must have one.',
    whatToDo: 'Add the unit to the `map` of `unit` in the dialect, or an `otherwise`, and redrive.',
  },
  'incomplete-position': {
    means:
      'The sample has a time, and a latitude without a longitude, or the other way round, or an accuracy without a position: half a position is none. The other quantities of the sample are stored.',
    whatToDo:
      'If the other half is a dead letter of its own, correct the dialect and redrive both. Else let the dialect take both from one message.',
  },
  'unknown-code': {
    means: 'A value that the `map` of its quantity does not have.',
    whatToDo: 'Add it to the map, or to `missing`, and redrive: the value is added to its row.',
  },
  'unknown-quantity': {
    means: 'A name that is no standard quantity, in a message of a dialect that takes the standard names.',
    whatToDo:
      'Correct the name on the device, or write a dialect that maps it. After a quantity was added, by a newer build or by `quantities` in the configuration, a redrive stores it.',
  },
  'repeated-name': {
    means: "An object of the message has a name twice: which of the values counts is anybody's guess (RFC 8259, section 4).",
    whatToDo: 'Correct the device: each name once.',
  },
  ambiguous: {
    means: 'The message has two values for one quantity of one device and time. Neither is stored; the other quantities of the sample are.',
    whatToDo: 'Give each its own `channel` or `device` in the dialect, and redrive.',
  },
  'bad-time': {
    means: 'The sample has a time that none of the formats of the dialect can read, or that is from no year that a row can have.',
    whatToDo:
      'Correct the device or the `time` of the dialect: `zone` for a time without offset, `receipt` if the device knows no time of day. Then redrive.',
  },
  retained: {
    means:
      "Telemetry out of the broker's store of retained messages, without a time of day: it may have been measured at any time, and stored when it was published.",
    whatToDo:
      'Let the device publish telemetry without the retain flag, and clear what is retained. A redrive stores it with the moment at which the bridge met it.',
  },
  'bad-device-id': {
    means:
      'What the dialect makes of the topic or the message is no device ID: 1 to 64 of A–Z, a–z, 0–9, _ and -, starting with a letter or digit.',
    whatToDo: 'Let `replace`, `remove_prefix` or `remove_suffix` in the `device` of the dialect make one of it, and redrive.',
  },
  'bad-channel': {
    means: 'What the dialect makes of the message is no channel: 1 to 32 of A–Z, a–z, 0–9, _, . and -, starting with a letter or digit.',
    whatToDo: 'Let `replace`, `remove_prefix` or `remove_suffix` in the `channel` of the dialect make one of it, and redrive.',
  },
  'unknown-device': {
    means: 'The app database has no device of this ID.',
    whatToDo: 'Provision the device and redrive, or find out who publishes under this name.',
  },
  'not-via-this-gateway': {
    means: 'The publisher of the message, as its topic names it, may not speak for the device that the message names.',
    whatToDo: 'If it may, run the command that the detail has, and redrive.',
  },
  'out-of-range': {
    means:
      'A value is outside the range of its quantity (docs/quantities.md). The dead letter names it; the other quantities of the sample are stored.',
    whatToDo: 'Look at the sensor. If the conversion is wrong, correct the dialect and redrive: the value is added to its row.',
  },
  'time-out-of-range': {
    means: 'The time of the sample is more than 10 years (time.oldest_years) before or 1 day after its receipt.',
    whatToDo:
      'The clock of the device was wrong: the sample has no usable time (`earliest` in the dialect takes the time of receipt instead). If the clock of the bridge was wrong, set it and redrive with `--reason time-out-of-range`: then the samples are judged by the time of the redrive.',
  },
  'span-too-long': {
    means: `The samples of one device in the message fall on more than ${MOST_DAYS} days (UTC). Each day is a chunk or partition of its own, which one transaction has to make.`,
    whatToDo: 'A backlog belongs into several messages.',
  },
  'bad-key': {
    means: 'The record has no key, so it did not come through the bridge.',
    whatToDo: 'Find what else produces to the topic of raw messages.',
  },
} as const satisfies Record<string, ReasonDoc>

export type Reason = keyof typeof reasons

/** Why translate leaves a message out on purpose: counted, no dead letter. */
export const ignoreReasons = {
  'not-telemetry': {
    means: 'The dialect says by `ignore` that messages of this kind are no telemetry.',
    whatToDo: 'Nothing.',
  },
  otherwise: {
    means: 'No rule of the dialect found a value, and it says `otherwise: ignore`.',
    whatToDo: 'Nothing, as long as it is not what you expect rows of: `millrace dialect try` shows what the rules look for.',
  },
  'no-reading': {
    means: 'All values that the dialect looks for are null or say that there is no reading (`missing`).',
    whatToDo: 'Nothing, unless it lasts: the sensor may be broken or away.',
  },
  retained: {
    means:
      "Out of the broker's store of retained messages, of a dialect that takes the time of receipt: when it was measured nobody knows.",
    whatToDo: 'Nothing: the next message is taken.',
  },
  'unknown-device': {
    means: 'The dialect says `unknown_devices: ignore`, and the device is not provisioned, or not for this gateway.',
    whatToDo: "Nothing, if these are the neighbours' devices.",
  },
} as const satisfies Record<string, ReasonDoc>

export type IgnoreReason = keyof typeof ignoreReasons
