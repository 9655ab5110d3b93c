/**
 * The sections of the page. To add one:
 *
 * 1. Here on the server, a folder `ops/page/<name>/` with a function `OpenSection` (section.ts):
 *    an express Router, which answers below `api/<name>/`, and feeds, which are what it publishes
 *    on the page's one stream. It goes into the list below.
 * 2. In the browser, a module `public/sections/<name>.js` that exports `mount(element, page)`
 *    (public/page.js has the type `Page`): `page.watch('<feed>', show)` calls `show(state)` for
 *    each state of a feed, `page.get('<name>/…')` asks the router. It goes into the list in
 *    `public/sections.js`, with the title of its tab.
 * 3. What both exchange are types in a file `messages.ts` in that folder, which imports nothing.
 *
 * Text reaches the document by `public/dom.js` alone, which makes text nodes of it. Lint refuses
 * innerHTML and whatever is like it, and so does the browser (Trusted Types).
 */
import { openContinuitySection } from './continuity/section.ts'
import { openDeadLettersSection } from './dead-letters/section.ts'
import { openDevices } from './devices/section.ts'
import { openLineSection } from './line/section.ts'
import type { OpenSection } from './section.ts'
import { openStorageSection } from './storage/section.ts'

export const sections: readonly OpenSection[] = [
  openLineSection,
  openDeadLettersSection,
  openContinuitySection,
  openStorageSection,
  openDevices,
]
