/**
 * Variables in place of those of the environment. An address of a database in them is that of all
 * who have a user of their own there; if it is of the same user as before, each with its own.
 */
export function forAllUsers(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const all = { ...env }
  for (const database of ['TELEMETRY', 'APP']) {
    const [given, before] = [env[`${database}_DATABASE_URL`], process.env[`${database}_DATABASE_URL`]]
    if (given === undefined) continue
    for (const user of ['STORE', 'PROCESSES', 'WATCH']) {
      const own = process.env[`${database}_${user}_URL`]
      if (own === undefined) continue
      const url = new URL(given)
      if (url.username === new URL(before ?? own).username) Object.assign(url, loginOf(own))
      all[`${database}_${user}_URL`] ??= url.href
    }
  }
  return all
}

function loginOf(url: string): { readonly username: string; readonly password: string } {
  const { username, password } = new URL(url)
  return { username, password }
}
