import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, pbkdf2Sync, X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { ConnectorError } from '../contract.ts'
import { type Authority, makeAuthority, newDeviceKey, openAuthority } from './authority.ts'
import { writeBrokerFiles } from './broker-files.ts'
import { onlyElement } from './certificate.ts'
import { elements } from './der.ts'
import { newPassword, passwordLine } from './passwords.ts'
import { readRequest } from './request.ts'

describe('what devices prove who they are with', () => {
  let folder: string
  let authority: Authority
  const now = new Date()
  const until = new Date(now.getTime() + 86_400_000)
  const openssl = (...args: readonly string[]): string => execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text)

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-identity-'))
    makeAuthority(join(folder, 'ca'), now)
    authority = openAuthority(join(folder, 'ca'), () => new Date())
  })

  after(() => rmSync(folder, { recursive: true }))

  function certificate(name: string, over: { readonly serial?: string; readonly publicKey?: Buffer; readonly until?: Date } = {}) {
    const made = authority.certify({ name, publicKey: newDeviceKey().publicKey, until, ...over })
    put(`${name}.pem`, made.pem)
    return made
  }

  describe('a certificate', () => {
    it('is good for openssl: for a client of TLS, by its authority, and for nothing else', () => {
      const { serial, fingerprint } = certificate('hive-1')
      expect(openssl('verify', '-x509_strict', '-CAfile', 'ca/ca.pem', '-purpose', 'sslclient', 'hive-1.pem')).to.include('OK')
      expect(() => openssl('verify', '-CAfile', 'ca/ca.pem', '-purpose', 'sslserver', 'hive-1.pem')).to.throw('purpose')
      const said = openssl('x509', '-in', 'hive-1.pem', '-noout', '-subject', '-serial', '-fingerprint', '-sha256')
      expect(said).to.match(/subject=CN ?= ?hive-1\n/)
      expect(said.replaceAll(':', '').toLowerCase()).to.include(serial).and.to.include(fingerprint)
    })

    it('has the times that it was made for, before 2050 and after', () => {
      for (const end of ['2049-12-31T23:59:59.000Z', '2050-01-01T00:00:00.000Z'])
        expect(new Date(new X509Certificate(certificate('hive-2', { until: new Date(end) }).pem).validTo).toISOString()).to.equal(end)
    })

    it('signs no other, and neither does its authority sign an authority', () => {
      certificate('hive-3')
      expect(openssl('x509', '-in', 'ca/ca.pem', '-noout', '-text')).to.include('CA:TRUE, pathlen:0')
      expect(new X509Certificate(readFileSync(join(folder, 'hive-3.pem'))).ca).to.equal(false)
    })

    it('can be of an authority that openssl made, with a key of RSA or another curve', () => {
      for (const [name, ...how] of [
        ['rsa', 'rsa:2048'],
        ['p384', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
      ] as const) {
        mkdirSync(join(folder, name))
        openssl(
          ...['req', '-x509', '-newkey', ...how, '-nodes', '-keyout', `${name}/ca.key`, '-out', `${name}/ca.pem`],
          ...['-days', '10', '-subj', '/O=Bees/CN=own', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
        )
        chmodSync(join(folder, name, 'ca.key'), 0o600)
        const own = openAuthority(join(folder, name), () => new Date())
        put('own.pem', own.certify({ name: 'hive', publicKey: newDeviceKey().publicKey, until }).pem)
        expect(openssl('verify', '-x509_strict', '-CAfile', `${name}/ca.pem`, 'own.pem')).to.include('OK')
      }
    })
  })

  describe('the list of what is revoked', () => {
    const verify = (): string => openssl('verify', '-crl_check', '-CAfile', 'ca/ca.pem', '-CRLfile', 'list.pem', 'hive-4.pem')

    it('refuses what is in it, and nothing else; and never ends, as nobody can come in with an ended one', () => {
      const { serial } = certificate('hive-4')
      put('list.pem', authority.revocationList([], now))
      expect(verify()).to.include('OK')
      put('list.pem', authority.revocationList([{ serial: certificate('hive-5').serial, at: now }], now))
      expect(verify()).to.include('OK')
      put('list.pem', authority.revocationList([{ serial, at: now }], now))
      expect(verify).to.throw('certificate revoked')
      expect(openssl('crl', '-in', 'list.pem', '-noout', '-nextupdate')).to.include('9999')
      expect(openssl('crl', '-in', 'list.pem', '-noout', '-CAfile', 'ca/ca.pem', '-verify')).to.be.a('string')
    })
  })

  describe('an authority', () => {
    const open = (name: string) => () => openAuthority(join(folder, name), () => new Date())

    it('has a key for its owner only, and is refused if others may read it', () => {
      expect(statSync(join(folder, 'ca/ca.key')).mode & 0o777).to.equal(0o600)
      makeAuthority(join(folder, 'open'), now)
      chmodSync(join(folder, 'open/ca.key'), 0o640)
      expect(open('open')).to.throw(ConnectorError, '0600')
    })

    it('is refused without its files, with the key of another, or with the certificate of a device', () => {
      expect(open('none')).to.throw(ConnectorError, 'ENOENT')
      makeAuthority(join(folder, 'mixed'), now)
      writeFileSync(join(folder, 'mixed/ca.pem'), authority.pem)
      expect(open('mixed')).to.throw(ConnectorError, 'belongs to')
      const { publicKey, pem } = newDeviceKey()
      writeFileSync(join(folder, 'mixed/ca.pem'), certificate('hive-6', { publicKey }).pem)
      writeFileSync(join(folder, 'mixed/ca.key'), pem)
      expect(open('mixed')).to.throw(ConnectorError, 'certificate of an authority')
    })

    it('is refused with a key of a type that it cannot sign with', () => {
      const { privateKey } = generateKeyPairSync('ed25519')
      mkdirSync(join(folder, 'ed'))
      writeFileSync(join(folder, 'ed/ca.key'), privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
      openssl('req', '-x509', '-key', 'ed/ca.key', '-out', 'ed/ca.pem', '-subj', '/CN=ed')
      expect(open('ed')).to.throw(ConnectorError, 'ed25519')
    })

    it('is not made twice', () => {
      expect(() => makeAuthority(join(folder, 'ca'), now)).to.throw(ConnectorError, 'already')
    })
  })

  describe('a signing request', () => {
    const request = (subject: string, ...key: readonly string[]): string =>
      openssl('req', '-new', '-newkey', ...key, '-nodes', '-keyout', 'request.key', '-subj', subject)
    const EC = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const

    it('gives its name and its key', () => {
      for (const key of [EC, ['rsa:2048']]) {
        const read = readRequest(request('/O=Bees/CN=hive-7', ...key))
        expect(read.name).to.equal('hive-7')
        const { pem } = certificate('hive-7', { publicKey: read.publicKey })
        expect(openssl('x509', '-in', 'hive-7.pem', '-noout', '-pubkey')).to.equal(openssl('pkey', '-in', 'request.key', '-pubout'))
        expect(pem).to.be.a('string')
      }
      expect(readRequest(request('/O=Bees', ...EC)).name).to.equal(undefined)
    })

    it('is refused if it is not signed with its key, or its key is weak', () => {
      const good = request('/CN=hive-8', ...EC)
      const bytes = Buffer.from(good.replace(/-----.*-----/g, ''), 'base64')
      const at = bytes.indexOf('hive-8')
      bytes[at + 5] = 0x39
      const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
      expect(() => readRequest(forged)).to.throw(RangeError, 'signed with its own key')
      expect(() => readRequest(request('/CN=hive-8', 'rsa:1024'))).to.throw(RangeError, '2048')
      expect(() => readRequest(authority.pem)).to.throw(RangeError, 'signing request')
    })

    it('is refused with a RangeError, whichever of its bytes is another, and wherever it ends', () => {
      const bytes = Buffer.from(request('/CN=hive-8', ...EC).replace(/-----.*-----/g, ''), 'base64')
      const refused = (damaged: Buffer): void => {
        const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${damaged.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
        expect(() => readRequest(pem), damaged.toString('hex')).to.throw(RangeError)
      }
      for (let at = 0; at < bytes.length; at++) {
        refused(bytes.subarray(0, at))
        for (const change of [0x01, 0x20, 0x80, 0xff]) {
          const damaged = Buffer.from(bytes)
          damaged[at] = (damaged[at] ?? 0) ^ change
          refused(damaged)
        }
      }
      refused(Buffer.concat([bytes, Buffer.from([0x05, 0x00])]))
    })
  })

  it('DER that ends too early or is too long is refused', () => {
    for (const bytes of [[0x30], [0x30, 0x05, 0x00], [0x30, 0x80], [0x30, 0x84, 1, 0, 0, 0], [0x30, 0x82, 1]])
      expect(() => elements(Buffer.from(bytes))).to.throw(RangeError)
    expect(() => onlyElement(Buffer.from([5, 0, 5, 0]))).to.throw(RangeError)
    expect(elements(Buffer.from([5, 0, 2, 1, 9])).map(({ tag }) => tag)).to.deep.equal([5, 2])
  })

  describe('a password', () => {
    it('is 192 bits by chance, and its line is what Mosquitto computes', () => {
      const one = newPassword()
      expect(one.password)
        .to.match(/^[A-Za-z0-9_-]{32}$/)
        .and.not.to.equal(newPassword().password)
      const [, user, iterations, salt, hash] = /^(.*):\$7\$(\d+)\$(.*)\$(.*)\n$/.exec(passwordLine('hive-1', one)) ?? []
      const bytes = Buffer.from(salt ?? '', 'base64')
      expect([user, bytes.length]).to.deep.equal(['hive-1', 12])
      expect(pbkdf2Sync(one.password, bytes, Number(iterations), 64, 'sha512').toString('base64')).to.equal(hash)
    })
  })

  describe('the files of a broker', () => {
    const files = (over: { readonly pidFile?: string } = {}) => ({ folder: join(folder, 'broker'), users: join(folder, 'users'), ...over })
    const content = {
      passwords: [{ device: 'hive-1', ...newPassword() }],
      authorities: [{ certificate: 'A\n', revocationList: 'L\n' }],
    }

    it('have the other users first, are for their owner and group, and nothing else stays in the folder', () => {
      put('users', 'millrace-bridge:x')
      expect(writeBrokerFiles(files(), content)).to.equal('nobody')
      const read = (name: string): string => readFileSync(join(folder, 'broker', name), 'utf8')
      expect(read('passwords')).to.match(/^millrace-bridge:x\nhive-1:\$7\$1\$[^\n]+\n$/)
      expect([read('devices.pem'), read('revoked.pem')]).to.deep.equal(['A\n', 'L\n'])
      expect(readdirSync(join(folder, 'broker')).sort()).to.deep.equal(['devices.pem', 'passwords', 'revoked.pem'])
      expect(statSync(join(folder, 'broker/passwords')).mode & 0o777).to.equal(0o640)
    })

    it('are written also if the broker does not run, and a PID file that is none is refused', () => {
      const pidFile = join(folder, 'pid')
      expect(writeBrokerFiles(files({ pidFile }), content)).to.equal('not-running')
      for (const text of ['', '0', '-1', '1', 'x']) {
        put('pid', text)
        expect(() => writeBrokerFiles(files({ pidFile }), content), text).to.throw(ConnectorError, 'process ID')
      }
    })
  })
})
