import { bytes, type Finding, finding, MIB, type Rule } from '../rule.ts'

/** As the broker has it without a setting. */
const DEFAULTS: Readonly<Record<string, string>> = {
  max_queued_messages: '1000',
  max_queued_bytes: '0',
  memory_limit: '0',
  max_packet_size: '0',
  max_inflight_messages: '20',
  persistence: 'false',
  allow_anonymous: 'false',
}

function setting(name: string, bad: 'fault' | 'advice', expected: string, value: string, good: (found: string) => boolean): Rule['judge'] {
  return ({ system: { broker } }): readonly Finding[] => {
    if (broker === undefined) return []
    const found = broker.settings.get(name) ?? DEFAULTS[name] ?? ''
    return [
      finding(good(found), bad, {
        found: broker.settings.has(name) ? found : `${found} (default)`,
        expected,
        command: `echo '${name} ${value}' >> ${broker.path} && systemctl restart mosquitto`,
      }),
    ]
  }
}

const bounded = (found: string): boolean => Number(found) > 0

/** Of Mosquitto on this machine, whose settings only its file tells. */
export const brokerRules: readonly Rule[] = [
  {
    id: 'broker-queue',
    why: 'What waits while the bridge is away waits here, and what is over the limit is dropped though the device was told that it came.',
    judge: setting('max_queued_messages', 'fault', 'minutes of frames, as 1000000', '1000000', (found) => Number(found) >= 100_000),
  },
  {
    id: 'broker-queue-bytes',
    why: 'A limit in messages alone lets a few hundred messages of 2 MB take all of the memory.',
    judge: setting('max_queued_bytes', 'fault', 'a bound, as 300000000', '300000000', bounded),
  },
  {
    id: 'broker-memory',
    why: 'Many clients together can fill what each alone may not, and the kernel then kills whichever process is largest.',
    judge: setting('memory_limit', 'advice', 'a bound, as 1000000000', '1000000000', bounded),
  },
  {
    id: 'broker-packet-size',
    why: 'Without it a single packet may announce 256 MB, and the broker makes room for it.',
    judge: setting(
      'max_packet_size',
      'fault',
      `a bound, as ${bytes(2 * MIB)}`,
      '2097152',
      (found) => bounded(found) && Number(found) <= 16 * MIB,
    ),
  },
  {
    id: 'broker-inflight',
    why: 'The bridge acknowledges after Kafka has: with 20 in flight one round trip to Kafka carries 20 frames.',
    judge: setting(
      'max_inflight_messages',
      'advice',
      '0 (as many as the client allows) or at least 1000',
      '0',
      (found) => found === '0' || Number(found) >= 1_000,
    ),
  },
  {
    id: 'broker-persistence',
    why: 'Without it a restart of the broker forgets sessions, and with them all that waits for the bridge.',
    judge: setting('persistence', 'fault', 'true', 'true', (found) => found === 'true'),
  },
]
