/** A line for each option that was given: the time that was understood, in UTC. */
export function momentLines(moments: Readonly<Record<string, number | undefined>>): readonly string[] {
  return Object.entries(moments).flatMap(([option, ms]) => (ms === undefined ? [] : [`${option} is ${new Date(ms).toISOString()} (UTC)`]))
}
