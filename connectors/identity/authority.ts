import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectorError } from '../contract.ts'
import { authorityCertificate, clientCertificate, revocationList, type Signer } from './certificate.ts'
import { replaceFile } from './files.ts'

/** The authority that signs the certificates of devices: `ca.pem` and `ca.key` in a folder. */
export interface Authority {
  /** Its certificate, as PEM. */
  readonly pem: string
  /** SHA-256 of its certificate, in hexadecimal. */
  readonly fingerprint: string
  /** A certificate for a key of the device's own. */
  certify(request: CertificateRequest): Certificate
  /** The list of revoked certificates, as PEM. */
  revocationList(revoked: readonly Revoked[], at: Date): string
}

export interface CertificateRequest {
  /** Common name. */
  readonly name: string
  /** SubjectPublicKeyInfo, in DER. */
  readonly publicKey: Buffer
  readonly until: Date
  /** In hexadecimal; without it, a new one by chance. */
  readonly serial?: string
}

export interface Certificate {
  readonly pem: string
  /** 32 hexadecimal digits. */
  readonly serial: string
  /** SHA-256 of the certificate, in hexadecimal. */
  readonly fingerprint: string
}

export interface Revoked {
  readonly serial: string
  readonly at: Date
}

/** The certificate counts from so long before its making on: a device's clock may be late. */
const CLOCK_TOLERANCE_MS = 3_600_000
const AUTHORITY_DAYS = 7_305
const DAY_MS = 86_400_000
/** Anybody but the owner. */
const OTHERS = 0o077

const certificateFile = (folder: string): string => join(folder, 'ca.pem')
const keyFile = (folder: string): string => join(folder, 'ca.key')

/**
 * Reads the authority's certificate and key.
 * @throws ConnectorError, not transient: a file that is not there or cannot be read, one of the two
 *   that is another's, or a key that others may read
 */
export function openAuthority(folder: string, now: () => Date): Authority {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new ConnectorError('AUTHORITY', false, `opening the authority of devices in ${folder}`, cause ?? new Error(problem))
  }
  let pem = ''
  let signer: Signer | undefined
  try {
    pem = readFileSync(certificateFile(folder), 'utf8')
    if ((statSync(keyFile(folder)).mode & OTHERS) !== 0) refuse('ca.key: expected mode 0600, others may read it')
    signer = { certificate: new X509Certificate(pem), key: createPrivateKey(readFileSync(keyFile(folder))) }
  } catch (cause) {
    if (cause instanceof ConnectorError) throw cause
    return refuse('', cause)
  }
  const { certificate, key } = signer
  if (!certificate.checkPrivateKey(key)) refuse('expected a key in ca.key that belongs to ca.pem')
  if (key.asymmetricKeyType !== 'ec' && key.asymmetricKeyType !== 'rsa')
    refuse(`ca.key: expected a key of type ec or rsa, got ${key.asymmetricKeyType}`)
  if (!certificate.ca) refuse('expected the certificate of an authority in ca.pem')
  return {
    pem,
    fingerprint: fingerprintOf(certificate),
    certify: ({ name, publicKey, until, serial = newSerial() }) => {
      const from = new Date(now().getTime() - CLOCK_TOLERANCE_MS)
      const made = clientCertificate({ certificate, key }, { name, publicKey, serial: Buffer.from(serial, 'hex'), from, until })
      return { pem: made, serial, fingerprint: fingerprintOf(new X509Certificate(made)) }
    },
    revocationList: (revoked, at) =>
      revocationList(
        { certificate, key },
        revoked.map((each) => ({ serial: Buffer.from(each.serial, 'hex'), at: each.at })),
        at,
      ),
  }
}

/**
 * Makes an authority for twenty years, with a key on the curve P-256.
 * @throws ConnectorError if there is one already
 */
export function makeAuthority(folder: string, now: Date): void {
  if (existsSync(certificateFile(folder)) || existsSync(keyFile(folder)))
    throw new ConnectorError('AUTHORITY', false, `making an authority in ${folder}`, new Error('there is one already'))
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o700)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = authorityCertificate(privateKey, {
    // Its own number in the name: a chain must not be built with another authority of the same name.
    name: `Millrace devices ${randomBytes(4).toString('hex')}`,
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    serial: Buffer.from(newSerial(), 'hex'),
    from: new Date(now.getTime() - CLOCK_TOLERANCE_MS),
    until: new Date(now.getTime() + AUTHORITY_DAYS * DAY_MS),
  })
  replaceFile(keyFile(folder), privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), 0o600)
  replaceFile(certificateFile(folder), pem, 0o644)
}

/** A key of a device: the public part for its certificate, the private one for the device alone. */
export function newDeviceKey(): { readonly publicKey: Buffer; readonly pem: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

function fingerprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex')
}

/** Positive, and of 16 bytes in any way of writing it. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}
