/** @import { Mount } from './page.js' */

/**
 * @typedef {object} SectionModule
 * @property {string} name
 * @property {string} title of its tab
 * @property {() => Promise<{ readonly mount: Mount }>} load
 */

/**
 * The tabs of the page, in order; ops/page/sections.ts says how to add one.
 * @type {readonly SectionModule[]}
 */
export const sections = [
  { name: 'line', title: 'Line', load: () => import('./sections/line.js') },
  { name: 'lag', title: 'Lag', load: () => import('./sections/lag.js') },
  { name: 'devices', title: 'Devices', load: () => import('./sections/devices.js') },
  { name: 'sites', title: 'Sites', load: () => import('./sections/sites.js') },
  { name: 'dead-letters', title: 'Dead letters', load: () => import('./sections/dead-letters.js') },
  { name: 'continuity', title: 'Continuity', load: () => import('./sections/continuity.js') },
  { name: 'storage', title: 'Storage', load: () => import('./sections/storage.js') },
]
