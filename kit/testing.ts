/**
 * `millrace/testing`: a test kit for processors and business processes. It needs no service but a
 * PostgreSQL for processes, and no particular test framework: what is wrong is thrown
 * (docs/testing-processors.md).
 */
export { checkProcessor, ProcessorCheckError } from './testing/check.ts'
export { type Emitted, feed, type RecordOutcome, type Refused } from './testing/feed.ts'
export { type GivenAssignment, type GivenLookups, LookupNotGivenError } from './testing/given-lookups.ts'
export { checkGolden, GoldenError, type GoldenOptions } from './testing/golden.ts'
export { GoldenFolderError } from './testing/golden-folder.ts'
export { type ProcessTest, type ProcessTestOptions, type RefusedDevice, tryProcess } from './testing/process.ts'
export { avroRecord, bytesRecord, type RecordOptions, reading, readingsRecord, type TestRecord } from './testing/records.ts'
