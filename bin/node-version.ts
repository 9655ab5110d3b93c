const OLDEST = [20, 19] as const

/**
 * What is wrong with a version of Node.js, as process.versions.node has it; undefined if nothing.
 */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined
  return `needs Node.js 22 or 24 (${OLDEST.join('.')} is the oldest that works), this is ${version}: https://nodejs.org/en/download`
}
