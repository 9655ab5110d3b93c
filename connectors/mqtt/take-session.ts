import { readFileSync } from 'node:fs'
import { connectAsync, type IClientOptions } from 'mqtt'
import { ConnectorError } from '../contract.ts'
import { parseBroker } from './dial.ts'

/** A certificate and its key, both as PEM, that are nowhere in a file. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

export interface SessionToTake {
  /** mqtts://host[:port] of a listener that takes the client ID from the certificate. */
  readonly url: string
  /** Of the broker's certificate; otherwise the system's authorities count. */
  readonly caFile: string | undefined
  /** User name, client ID and common name are one. */
  readonly name: string
  readonly certificate: ClientCertificate
  /** `discard`: what is queued in it as well. */
  readonly queued: 'keep' | 'discard'
}

const CONNECT_MS = 5_000
/** A device that does not come back by then loses what is queued for it. */
const KEEP_SECONDS = 86_400

/**
 * Connects as a device and leaves at once. A session has one connection: the broker ends that of
 * whoever had it (MQTT 5.0, 3.1.4).
 * @returns `revoked` if the broker refuses the certificate for that; then nobody was disconnected
 * @throws ConnectorError, transient, if it cannot be reached or refuses for another reason
 */
export async function takeSession({ url, caFile, name, certificate, queued }: SessionToTake): Promise<'taken' | 'revoked'> {
  const { address } = parseBroker(url)
  const options: IClientOptions = {
    protocolVersion: 5,
    clientId: name,
    username: name,
    clean: queued === 'discard',
    properties: { sessionExpiryInterval: queued === 'discard' ? 0 : KEEP_SECONDS },
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
    ...certificate,
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
  }
  try {
    const client = await connectAsync(address, options, false)
    // Without DISCONNECT: it could be said to end a session that is to be kept.
    await client.endAsync(true)
    return 'taken'
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && /CERTIFICATE_REVOKED/.test(String(cause.code))) return 'revoked'
    throw new ConnectorError('MQTT_TAKE', true, `ending the session of ${name} at ${address}`, cause)
  }
}
