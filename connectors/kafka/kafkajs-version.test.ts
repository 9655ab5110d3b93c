import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { KAFKAJS_VERSION } from './kafkajs.ts'

describe('kafkajs, whose inner modules are replaced', () => {
  it('is the one version that they were written for, in package.json, in its lock file, and as installed', () => {
    const json = (path: string): unknown => JSON.parse(readFileSync(`${projectRoot}${path}`, 'utf8'))
    const asked = (json('package.json') as { dependencies: Record<string, string> }).dependencies.kafkajs
    const locked = (json('package-lock.json') as { packages: Record<string, { version: string }> }).packages['node_modules/kafkajs']
      ?.version
    const installed = (createRequire(import.meta.url)('kafkajs/package.json') as { version: string }).version
    expect({ asked, locked, installed }).to.deep.equal({ asked: KAFKAJS_VERSION, locked: KAFKAJS_VERSION, installed: KAFKAJS_VERSION })
  })
})
