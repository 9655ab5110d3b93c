/**
 * Loaded into a service before everything else (`node --import`): its clock is wrong by as many
 * milliseconds as the file says that MILLRACE_TEST_CLOCK names, and is set whenever the file
 * changes.
 */
import { readFileSync } from 'node:fs'

const LOOK_MS = 20
const path = process.env.MILLRACE_TEST_CLOCK

if (path !== undefined) {
  const RealDate = Date
  let shiftMs = Number(readFileSync(path, 'utf8'))
  setInterval(() => {
    const text = readFileSync(path, 'utf8')
    if (text !== '') shiftMs = Number(text)
  }, LOOK_MS).unref()

  class ShiftedDate extends RealDate {
    constructor(...args: readonly unknown[]) {
      super(...((args.length === 0 ? [RealDate.now() + shiftMs] : args) as [number]))
    }

    static override now(): number {
      return RealDate.now() + shiftMs
    }
  }

  globalThis.Date = ShiftedDate as DateConstructor
}
