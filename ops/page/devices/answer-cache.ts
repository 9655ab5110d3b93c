/**
 * Answers that many browsers ask for: whoever asks the same within a moment gets the same answer.
 * @returns asks `make` if the answer to `key` is older than `keepMs`. A failure is not kept.
 */
export function createAnswerCache<Answer>(
  keepMs: number,
  most: number,
  now: () => number = () => performance.now(),
): (key: string, make: () => Promise<Answer>) => Promise<Answer> {
  /** In the order in which they were asked for. */
  const kept = new Map<string, { readonly answer: Promise<Answer>; readonly askedAt: number }>()
  return (key, make) => {
    const known = kept.get(key)
    if (known !== undefined && now() - known.askedAt < keepMs) return known.answer
    const answer = make()
    kept.delete(key)
    kept.set(key, { answer, askedAt: now() })
    const [oldest] = kept.keys()
    if (kept.size > most && oldest !== undefined) kept.delete(oldest)
    answer.catch(() => {
      if (kept.get(key)?.answer === answer) kept.delete(key)
    })
    return answer
  }
}
