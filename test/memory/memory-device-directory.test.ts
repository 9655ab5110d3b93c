import { deviceDirectoryConformance } from '../conformance/device-directory.ts'
import { MemoryDeviceDirectory } from './memory-device-directory.ts'

deviceDirectoryConformance('in memory', async () => {
  const directory = new MemoryDeviceDirectory()
  return {
    directory,
    async provision(devices, via) {
      directory.provision(devices)
      if (via !== undefined) directory.allow(via, ...devices)
    },
    remove: async (device) => directory.delete(device),
    allow: async (gateway, ...patterns) => directory.allow(gateway, ...patterns),
    forbid: async (gateway, ...patterns) => directory.forbid(gateway, ...patterns),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
})
