import { createHash, type KeyObject, sign, type X509Certificate } from 'node:crypto'
import { bits, type Element, element, elements, expected, generalizedTime, identifier, TAG, tagged, time, unsigned } from './der.ts'

/** Who signs: its certificate and its key. */
export interface Signer {
  readonly certificate: X509Certificate
  readonly key: KeyObject
}

/** What a certificate says (RFC 5280). */
export interface Subject {
  /** The common name: letters, digits, _, - and blanks. */
  readonly name: string
  /** SubjectPublicKeyInfo, in DER. */
  readonly publicKey: Buffer
  /** 16 bytes. */
  readonly serial: Buffer
  readonly from: Date
  readonly until: Date
}

const COMMON_NAME = identifier('2.5.4.3')
const EXTENSION = {
  basicConstraints: identifier('2.5.29.19'),
  keyUsage: identifier('2.5.29.15'),
  extendedKeyUsage: identifier('2.5.29.37'),
  subjectKey: identifier('2.5.29.14'),
  authorityKey: identifier('2.5.29.35'),
  revocationNumber: identifier('2.5.29.20'),
} as const
const CLIENT = identifier('1.3.6.1.5.5.7.3.2')
const TRUE = element(TAG.boolean, Buffer.from([0xff]))
const SIGNATURE = {
  ec: element(TAG.sequence, identifier('1.2.840.10045.4.3.2')),
  rsa: element(TAG.sequence, identifier('1.2.840.113549.1.1.11'), element(TAG.none)),
} as const

/** A certificate for a client of TLS, as PEM. */
export function clientCertificate(signer: Signer, subject: Subject): string {
  return certificate(signer.key, issuerOf(signer.certificate), subject, [
    extension(EXTENSION.basicConstraints, element(TAG.sequence), 'critical'),
    // digitalSignature
    extension(EXTENSION.keyUsage, element(TAG.bits, Buffer.from([7, 0x80])), 'critical'),
    extension(EXTENSION.extendedKeyUsage, element(TAG.sequence, CLIENT)),
    extension(EXTENSION.subjectKey, element(TAG.octets, keyIdentifier(subject.publicKey))),
    ...authorityKey(signer.certificate),
  ])
}

/** A certificate that signs those of clients, and no other authority; it is signed by itself. */
export function authorityCertificate(key: KeyObject, subject: Subject): string {
  return certificate(key, distinguishedName(subject.name), subject, [
    extension(EXTENSION.basicConstraints, element(TAG.sequence, TRUE, unsigned(Buffer.from([0]))), 'critical'),
    // keyCertSign, cRLSign
    extension(EXTENSION.keyUsage, element(TAG.bits, Buffer.from([1, 0x06])), 'critical'),
    extension(EXTENSION.subjectKey, element(TAG.octets, keyIdentifier(subject.publicKey))),
  ])
}

/**
 * The list of serial numbers that are revoked, as PEM. It has no end: a broker whose list has ended
 * refuses everybody, and this one gets a new list by being told of each change.
 */
export function revocationList(signer: Signer, serials: readonly { readonly serial: Buffer; readonly at: Date }[], at: Date): string {
  const algorithm = algorithmOf(signer.key)
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(at.getTime()))
  const list = element(
    TAG.sequence,
    unsigned(Buffer.from([1])),
    algorithm,
    issuerOf(signer.certificate),
    time(at),
    generalizedTime(new Date('9999-12-31T23:59:59Z')),
    ...(serials.length === 0
      ? []
      : [element(TAG.sequence, ...serials.map((each) => element(TAG.sequence, unsigned(each.serial), time(each.at))))]),
    tagged(0, element(TAG.sequence, ...authorityKey(signer.certificate), extension(EXTENSION.revocationNumber, unsigned(number)))),
  )
  return pem('X509 CRL', signed(list, signer.key))
}

function certificate(
  key: KeyObject,
  issuer: Buffer,
  { name, publicKey, serial, from, until }: Subject,
  extensions: readonly Buffer[],
): string {
  const content = element(
    TAG.sequence,
    tagged(0, unsigned(Buffer.from([2]))),
    unsigned(serial),
    algorithmOf(key),
    issuer,
    element(TAG.sequence, time(from), time(until)),
    distinguishedName(name),
    publicKey,
    tagged(3, element(TAG.sequence, ...extensions)),
  )
  return pem('CERTIFICATE', signed(content, key))
}

function signed(content: Buffer, key: KeyObject): Buffer {
  return element(TAG.sequence, content, algorithmOf(key), bits(sign('sha256', content, key)))
}

function algorithmOf({ asymmetricKeyType }: KeyObject): Buffer {
  if (asymmetricKeyType === 'ec' || asymmetricKeyType === 'rsa') return SIGNATURE[asymmetricKeyType]
  throw new RangeError(`expected an authority's key of type ec or rsa, got ${asymmetricKeyType ?? 'another'}`)
}

function distinguishedName(name: string): Buffer {
  return element(TAG.sequence, element(TAG.set, element(TAG.sequence, COMMON_NAME, element(TAG.utf8, Buffer.from(name)))))
}

function extension(name: Buffer, value: Buffer, critical?: 'critical'): Buffer {
  return element(TAG.sequence, name, ...(critical === undefined ? [] : [TRUE]), element(TAG.octets, value))
}

/** RFC 5280, 4.2.1.2, method 1. */
function keyIdentifier(publicKey: Buffer): Buffer {
  const key = expected(elements(onlyElement(publicKey).content), 1, TAG.bits, 'a public key')
  return createHash('sha1').update(key.content.subarray(1)).digest()
}

/** The parts of a certificate between its version and its extensions, with both. */
function partsOf(authority: X509Certificate): readonly Element[] {
  const content = expected(elements(onlyElement(authority.raw).content), 0, TAG.sequence, 'the content of a certificate')
  return elements(content.content)
}

function issuerOf(authority: X509Certificate): Buffer {
  return expected(partsOf(authority), 5, TAG.sequence, 'the subject of a certificate of version 3').whole
}

/** As the authority's own certificate has it, however its maker chose it. */
function authorityKey(authority: X509Certificate): readonly Buffer[] {
  const own = partsOf(authority)
    .filter(({ tag }) => tag === 0xa3)
    .flatMap(({ content }) => elements(onlyElement(content).content))
    .map(({ content }) => elements(content))
    .find(([name]) => name?.whole.equals(EXTENSION.subjectKey))
  const value = own?.at(-1)
  if (value === undefined) return []
  return [extension(EXTENSION.authorityKey, element(TAG.sequence, element(0x80, onlyElement(value.content).content)))]
}

export function onlyElement(bytes: Buffer): Element {
  const [it, another] = elements(bytes)
  if (it === undefined || another !== undefined) throw new RangeError('expected one value of DER')
  return it
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
