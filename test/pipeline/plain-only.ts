/** Whether the stack that the tests run on was started with MILLRACE_SECURE=1. */
export const secured = process.env.KAFKA_CA_FILE !== undefined

/**
 * `it` and `describe` for what a secured stack cannot show. There they are skipped, and their
 * titles say why; docs/security.md has the list.
 * @param because as in: not on a secured stack: …
 */
export function onPlainStack(because: string): Pick<Mocha.MochaGlobals, 'it' | 'describe'> {
  const named = (title: string): string => `${title} (not on a secured stack: ${because})`
  if (!secured) return { it, describe }
  const skippedIt = Object.assign((title: string, test?: Mocha.Func) => it.skip(named(title), test), it)
  const skippedDescribe = Object.assign((title: string, tests: (this: Mocha.Suite) => void) => describe.skip(named(title), tests), describe)
  return { it: skippedIt as Mocha.TestFunction, describe: skippedDescribe as Mocha.SuiteFunction }
}
