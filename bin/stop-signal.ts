/** Resolves at the next SIGINT, SIGTERM or SIGHUP (the terminal was closed). */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    const heard = (signal: NodeJS.Signals): void => {
      for (const each of signals) process.removeListener(each, heard)
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, heard)
  })
}
