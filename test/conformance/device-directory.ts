import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { DeviceDirectory } from '../../connectors/contract.ts'
import type { DeviceId } from '../../processors/contract.ts'

/** A directory over devices and gateways of its own. */
export interface DirectoryFixture extends AsyncDisposable {
  readonly directory: DeviceDirectory
  /** Provisions devices, and lets a gateway speak for them. */
  provision(devices: readonly DeviceId[], via?: string): Promise<void>
  remove(device: DeviceId): Promise<void>
  allow(gateway: string, ...patterns: readonly string[]): Promise<void>
  forbid(gateway: string, ...patterns: readonly string[]): Promise<void>
}

const id = (name: string): DeviceId => name as DeviceId
const PATIENCE_MS = 5_000

/** What every directory of devices does. */
export function deviceDirectoryConformance(name: string, open: () => Promise<DirectoryFixture>): void {
  describe(`the directory of devices ${name}`, () => {
    let fixture: DirectoryFixture
    let directory: DeviceDirectory

    beforeEach(async () => {
      fixture = await open()
      directory = fixture.directory
    })

    afterEach(() => fixture[Symbol.asyncDispose]())

    const prepared = (...devices: readonly string[]): Promise<void> => directory.prepare(new Set(devices.map(id)))
    const eventually = async (condition: () => boolean): Promise<void> => {
      for (const began = performance.now(); !condition(); await delay(10)) {
        if (performance.now() - began > PATIENCE_MS) throw new Error(`it did not happen within ${PATIENCE_MS} ms`)
      }
    }

    it('lets no gateway speak for a device without a rule', async () => {
      await fixture.provision([id('tag-1')])
      await prepared('tag-1')
      expect(directory.assignments(id('tag-1'))).to.not.equal(undefined)
      expect(directory.speaksFor('gw', id('tag-1'))).to.equal(false)
    })

    it('knows new devices with their gateway as soon as it was asked for them', async () => {
      await prepared()
      await fixture.provision([id('tag-1'), id('tag-2')], 'gw')
      await prepared('tag-1')
      expect(directory.speaksFor('gw', id('tag-1'))).to.equal(true)
      expect(directory.speaksFor('gw', id('tag-2'))).to.equal(true)
      expect(directory.speaksFor('gw', id('tag-3'))).to.equal(false)
      expect(directory.speaksFor('another', id('tag-1'))).to.equal(false)
    })

    it('follows rules that come and go, patterns too, whatever the gateway is called', async () => {
      for (const gateway of ['gw', 'site/1/gw,2', '*', '=', "o'brien", 'Ünïcode', 'a'.repeat(512)]) {
        await fixture.allow(gateway, 'silo-*', 'barn')
        await eventually(() => directory.speaksFor(gateway, id('silo-9')) && directory.speaksFor(gateway, id('barn')))
        expect(directory.speaksFor(gateway, id('barn-1'))).to.equal(false)
        await fixture.forbid(gateway, 'silo-*')
        await eventually(() => !directory.speaksFor(gateway, id('silo-9')))
        expect(directory.speaksFor(gateway, id('barn'))).to.equal(true)
      }
    })

    it('keeps the rules apart from the devices: they are there before and after', async () => {
      await fixture.allow('gw', 'tag-1')
      await eventually(() => directory.speaksFor('gw', id('tag-1')))
      await prepared('tag-1')
      expect(directory.assignments(id('tag-1'))).to.equal(undefined)
      await fixture.provision([id('tag-1')])
      await eventually(() => directory.assignments(id('tag-1')) !== undefined)
      await fixture.remove(id('tag-1'))
      await eventually(() => directory.assignments(id('tag-1')) === undefined)
      expect(directory.speaksFor('gw', id('tag-1'))).to.equal(true)
    })

    it('is unsure of an unknown device until it was asked for it', async () => {
      await prepared()
      expect(directory.unsure(id('tag-1'))).to.equal(true)
      await prepared('tag-1')
      expect(directory.unsure(id('tag-1'))).to.equal(false)
      await fixture.provision([id('tag-1')])
      await eventually(() => directory.assignments(id('tag-1')) !== undefined)
      expect(directory.unsure(id('tag-1'))).to.equal(false)
    })
  })
}
