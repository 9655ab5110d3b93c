import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { onlyElement } from './certificate.ts'
import { type Element, element, elements, expected, identifier, TAG } from './der.ts'

/** A certificate signing request (PKCS #10, RFC 2986) that was signed with the key it names. */
export interface SigningRequest {
  /** Its common name; undefined if it has none. */
  readonly name: string | undefined
  /** SubjectPublicKeyInfo, in DER. */
  readonly publicKey: Buffer
}

const COMMON_NAME = identifier('2.5.4.3')
const HASHES = new Map([
  [identifier('1.2.840.10045.4.3.2').toString('hex'), 'sha256'],
  [identifier('1.2.840.10045.4.3.3').toString('hex'), 'sha384'],
  [identifier('1.2.840.10045.4.3.4').toString('hex'), 'sha512'],
  [identifier('1.2.840.113549.1.1.11').toString('hex'), 'sha256'],
  [identifier('1.2.840.113549.1.1.12').toString('hex'), 'sha384'],
  [identifier('1.2.840.113549.1.1.13').toString('hex'), 'sha512'],
])
const NO_PARAMETERS = element(TAG.none)
const CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1']
const LEAST_RSA_BITS = 2048

/**
 * Reads a request. Of what it asks for, nothing but the key is taken.
 * @throws RangeError that says what was expected
 */
export function readRequest(pem: string): SigningRequest {
  const [, base64] = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\s([A-Za-z0-9+/=\s]+)-----END /.exec(pem) ?? []
  if (base64 === undefined) throw new RangeError('expected a certificate signing request in PEM')
  const request = onlyElement(Buffer.from(base64, 'base64'))
  const signed = elements(request.content)
  if (request.tag !== TAG.sequence || signed.length !== 3) throw new RangeError('expected a signed request')
  const content = expected(signed, 0, TAG.sequence, 'the content of a request')
  const hash = hashOf(expected(signed, 1, TAG.sequence, 'an algorithm'))
  const signature = expected(signed, 2, TAG.bits, 'a signature').content
  if (signature[0] !== 0) throw new RangeError('expected a signature of whole bytes')
  const parts = elements(content.content)
  const subject = expected(parts, 1, TAG.sequence, 'a subject')
  const publicKey = expected(parts, 2, TAG.sequence, 'a public key').whole
  const key = publicKeyOf(publicKey)
  if (!verify(hash, content.whole, key, signature.subarray(1))) throw new RangeError('expected a request that is signed with its own key')
  return { name: commonName(subject.content), publicKey }
}

/** ECDSA has no parameters, RSA has NULL (RFC 5758, 3.2; RFC 4055, 5). */
function hashOf({ content }: Element): string {
  const [name, ...parameters] = elements(content)
  const hash = HASHES.get(name?.whole.toString('hex') ?? '')
  if (hash === undefined || parameters.some(({ whole }) => !whole.equals(NO_PARAMETERS)))
    throw new RangeError('expected a signature by ECDSA or RSA with SHA-256, SHA-384 or SHA-512')
  return hash
}

function publicKeyOf(der: Buffer): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new RangeError('expected a public key that can be read', { cause })
  }
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  const good = key.asymmetricKeyType === 'rsa' ? (modulusLength ?? 0) >= LEAST_RSA_BITS : CURVES.includes(namedCurve)
  if (!good) throw new RangeError('expected a key on the curve P-256, P-384 or P-521, or of RSA with 2048 bits or more')
  return key
}

function commonName(subject: Buffer): string | undefined {
  for (const { content: set } of elements(subject))
    for (const { content: pair } of elements(set)) {
      const [type, value] = elements(pair)
      if (type?.whole.equals(COMMON_NAME) && value !== undefined) return value.content.toString('utf8')
    }
  return undefined
}
