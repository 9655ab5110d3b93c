/** What was taken for each option that was given, a line each, for whoever typed it. */
export function momentLines(moments: Readonly<Record<string, number | undefined>>): readonly string[] {
  return Object.entries(moments).flatMap(([option, ms]) => (ms === undefined ? [] : [`${option} is ${new Date(ms).toISOString()} (UTC)`]))
}
