/** @import { Mount } from './page.js' */

/**
 * @typedef {object} SectionModule
 * @property {string} name
 * @property {string} title of its tab
 * @property {string} waitsFor what it shows, and who is asked for it
 * @property {() => Promise<{ readonly mount: Mount }>} load
 */

/**
 * The tabs of the page, in order; ops/page/sections.ts says how to add one.
 * @type {readonly SectionModule[]}
 */
export const sections = [
  {
    name: 'line',
    title: 'Line',
    waitsFor: 'the state of the line, from its services, Kafka and the databases',
    load: () => import('./sections/line.js'),
  },
  {
    name: 'lag',
    title: 'Lag',
    waitsFor: 'the lag of the consumer groups, from Kafka and the services',
    load: () => import('./sections/lag.js'),
  },
  {
    name: 'devices',
    title: 'Devices',
    waitsFor: 'devices and their readings, from the app and the telemetry database',
    load: () => import('./sections/devices.js'),
  },
  {
    name: 'sites',
    title: 'Sites',
    waitsFor: 'sites and their devices, from the app and the telemetry database',
    load: () => import('./sections/sites.js'),
  },
  {
    name: 'dead-letters',
    title: 'Dead letters',
    waitsFor: 'dead letters, from Kafka',
    load: () => import('./sections/dead-letters.js'),
  },
  {
    name: 'continuity',
    title: 'Continuity',
    waitsFor: 'the ledger of frames, from the telemetry database and Kafka',
    load: () => import('./sections/continuity.js'),
  },
  {
    name: 'storage',
    title: 'Storage',
    waitsFor: 'partitions and sizes, from the telemetry database',
    load: () => import('./sections/storage.js'),
  },
]
