/** Murmur2 as Kafka's Java clients hash keys, in 32-bit arithmetic. */
export function murmur2(key: Uint8Array): number {
  const length = key.length
  const M = 0x5bd1e995
  let hash = 0x9747b28c ^ length
  let at = 0
  for (const last = length - 4; at <= last; at += 4) {
    let k = (key[at] as number) | ((key[at + 1] as number) << 8) | ((key[at + 2] as number) << 16) | ((key[at + 3] as number) << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    k = Math.imul(k, M)
    hash = Math.imul(hash, M) ^ k
  }
  const rest = length - at
  if (rest === 3) hash ^= (key[at + 2] as number) << 16
  if (rest >= 2) hash ^= (key[at + 1] as number) << 8
  if (rest >= 1) hash = Math.imul(hash ^ (key[at] as number), M)
  hash ^= hash >>> 13
  hash = Math.imul(hash, M)
  return hash ^ (hash >>> 15)
}

/** The partition that Kafka's Java clients choose for a key. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}
