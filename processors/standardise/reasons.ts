import { MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import type { ReasonDoc } from '../contract.ts'
import { MOST_DAYS } from '../time-bounds.ts'

/** Why standardise rejects a frame, or samples or values of it. */
export const reasons = {
  'malformed-frame': {
    means: 'The datum is not what its firmware schema says: cut off, bytes left over, an overlong varint, arrays of different lengths.',
    whatToDo: 'The detail names the field. Correct the firmware; the frame itself cannot be fixed.',
  },
  'too-many-samples': {
    means: `The frame has more than ${MOST_SAMPLES} samples.`,
    whatToDo: 'No firmware of ours sends such a frame: find out what the device is. A backlog belongs into several frames.',
  },
  'span-too-long': {
    means: `The samples of the frame fall on more than ${MOST_DAYS} days (UTC). Each day is a chunk or partition of its own, which one transaction has to make.`,
    whatToDo:
      'Nothing that samples at least daily and publishes at least monthly sends such a frame: find out what the device is. A backlog belongs into several frames.',
  },
  'bad-key': {
    means: 'The record has no key that is a device ID, so it did not come through the bridge.',
    whatToDo: 'Find what else produces to the topic of frames.',
  },
  'unknown-schema': {
    means:
      'The registry has no schema with the fingerprint that the record carries, or with its ID if it carries none; or it has given that ID to several schemas.',
    whatToDo:
      'Was the registry restored from an older backup? Register the firmware again (`millrace schemas register FILE`) and redrive: the detail has the command.',
  },
  'bad-firmware-schema': {
    means: 'The newest version of the firmware schema cannot be used; the detail says why.',
    whatToDo:
      'Register a corrected version (a quantity that is unknown needs a newer build, or `quantities` in the configuration) and redrive.',
  },
  'unknown-device': {
    means: 'The app database has no device of this ID.',
    whatToDo: 'Provision the device and redrive, or find out who publishes under this name.',
  },
  'out-of-range': {
    means:
      'A value is outside the range of its quantity (docs/quantities.md). The dead letter names it; the other quantities of the sample are stored.',
    whatToDo:
      'Look at the sensor. If the conversion is wrong, register a corrected firmware schema and redrive: the value is added to its row.',
  },
  'incomplete-position': {
    means:
      'The sample has a latitude without a longitude, or the other way round, or an accuracy without a position: half a position is none. The other quantities of the sample are stored.',
    whatToDo:
      'If the other half is a dead letter of its own, correct the conversion and redrive both. Else look at the receiver: it should give both, or the missing code for both.',
  },
  'unknown-code': {
    means: 'A coded metric has a code that its map does not name.',
    whatToDo: 'Register a firmware schema whose map has the code and redrive: the value is added to its row.',
  },
  'too-many-boots': {
    means:
      'The device does not know the time of day, and has counted more boots in a month than are remembered (one for each minute of the month). Without the beginning of its boot an uptime is no time.',
    whatToDo: 'Look at the device: it may be in a loop. What it sent can be redriven when its older boots are a month old.',
  },
  'time-out-of-range': {
    means: 'The time of the sample is more than 10 years (time.oldest_years) before or 1 day after its receipt.',
    whatToDo:
      'The clock of the device was wrong although it claimed to be synchronised: the sample has no usable time. If the clock of the bridge was wrong, set it and redrive with `--reason time-out-of-range`: then the samples are judged by the time of the redrive.',
  },
} as const satisfies Record<string, ReasonDoc>

export type Reason = keyof typeof reasons
