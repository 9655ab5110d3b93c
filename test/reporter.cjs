/**
 * Mocha's spec reporter, which also appends `passed failed` to the file that MILLRACE_TEST_COUNTS
 * names: true counts for the closing line.
 */
const { appendFileSync } = require('node:fs')
const { reporters } = require('mocha')

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
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      // A skipped test is one that nobody ran: here that is a failure.
      if (process.env.MILLRACE_TEST_COUNTS) appendFileSync(process.env.MILLRACE_TEST_COUNTS, `${passes} ${failures + pending}\n`)
    })
  }
}
