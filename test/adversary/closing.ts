/** What a describe block opened, closed when it ends. */
export interface Closing {
  /**
   * Takes it over: it is closed when the block ends, the newest first, also if a hook or a test
   * fails halfway. Resolves to it.
   */
  use<Resource extends AsyncDisposable>(opening: Resource | Promise<Resource>): Promise<Resource>
  /** For what is no resource: a part that was crashed and must be revived, a retained message. */
  atEnd(undo: () => Promise<unknown>): void
}

/**
 * To be called in the body of `describe`. The files of a lane (test/run) run one after another on
 * one stack: whatever a failing one left behind (a service that holds partitions, a part that is
 * down) would make the next ones fail.
 */
export function closing(): Closing {
  const undone: (() => Promise<unknown>)[] = []
  after('closes what was opened', async function () {
    this.timeout(120_000)
    const failures: unknown[] = []
    for (const undo of undone.reverse()) {
      // One that cannot be closed does not keep the others open.
      await undo().catch((cause: unknown) => failures.push(cause))
    }
    if (failures.length > 0) throw new AggregateError(failures, `not everything could be closed: ${failures.join('; ')}`)
  })
  return {
    async use(opening) {
      const resource = await opening
      undone.push(async () => resource[Symbol.asyncDispose]())
      return resource
    },
    atEnd: (undo) => void undone.push(undo),
  }
}
