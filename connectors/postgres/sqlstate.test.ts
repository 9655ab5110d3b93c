import { expect } from 'chai'
import fc from 'fast-check'
import { blame, isNetworkError } from './sqlstate.ts'

describe('blame by SQLSTATE', () => {
  it('is the database for lost connections, deadlocks, full disks, held locks and shutdowns', () => {
    for (const sqlState of ['08006', '40001', '40P01', '53100', '53200', '53300', '55P03', '57014', '57P01', '57P02', '57P03', '25P03']) {
      expect(blame(sqlState), sqlState).to.equal('database')
    }
  })

  it('is the row for data and constraints', () => {
    for (const sqlState of ['22003', '22021', '23502', '23505', '23514']) expect(blame(sqlState), sqlState).to.equal('row')
  })

  it('is a defect for a COPY stream that is no binary COPY: one wrong encoder must not dead-letter every row', () => {
    for (const sqlState of ['22P03', '22P04']) expect(blame(sqlState), sqlState).to.equal('defect')
  })

  it('is a defect for a missing table, a missing right, a wrong password and everything unknown', () => {
    for (const sqlState of ['42P01', '42501', '28P01', '3D000', 'XX000', '58030', '', '2'])
      expect(blame(sqlState), sqlState).to.equal('defect')
  })

  it('is decided by the class for every code but the named exceptions', () => {
    const exceptions = new Set(['25P03', '22P03', '22P04'])
    const code = fc.stringMatching(/^[0-9A-Z]{5}$/).filter((sqlState) => !exceptions.has(sqlState))
    fc.assert(fc.property(code, (sqlState) => blame(sqlState) === blame(`${sqlState.slice(0, 2)}000`)))
  })
})

describe('network errors', () => {
  it('are those of sockets and name lookup, and no others', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']) expect(isNetworkError(code), code).to.equal(true)
    for (const code of ['ENOENT', 'ERR_INVALID_ARG_TYPE', '57P01', '']) expect(isNetworkError(code), code).to.equal(false)
  })
})
