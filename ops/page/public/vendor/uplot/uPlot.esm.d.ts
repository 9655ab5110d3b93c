/** The server serves node_modules/uplot/dist here (ops/page/serve-page.ts). */
export { default } from 'uplot'
