/**
 * Mocha's spec reporter, which also appends `passed failed skipped` to the file that
 * MILLRACE_TEST_COUNTS names: true counts for the closing line.
 */
const { appendFileSync } = require('node:fs')
const { reporters } = require('mocha')

/** Of test/pipeline/plain-only.ts, which says in the title why. */
const SKIPPED = '(not on a secured stack: '

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    const failures = process.env.MILLRACE_TEST_FAILURES
    if (failures) {
      const note = (what, test, error) => appendFileSync(failures, `${what}  ${test.fullTitle()}: ${error.message.split('\n')[0]}\n`)
      runner.on('fail', (test, error) => note('FAILED', test, error))
      // Tests on real services are tried twice: once red and once green is said, and counts as green.
      runner.on('retry', (test, error) => note('REPEATED', test, error))
    }
    let skipped = 0
    runner.on('pending', (test) => {
      if (test.fullTitle().includes(SKIPPED)) skipped++
    })
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      // Any other skipped test is one that nobody ran: here that is a failure.
      const counts = `${passes} ${failures + pending - skipped} ${skipped}\n`
      if (process.env.MILLRACE_TEST_COUNTS) appendFileSync(process.env.MILLRACE_TEST_COUNTS, counts)
    })
  }
}
