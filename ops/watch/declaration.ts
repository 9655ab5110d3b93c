import type { ConsumerName } from '../../processors/contract.ts'
import type { RunAs } from '../../services/service.ts'

/** As what `millrace watch` runs. It gives way to the line. */
export const WATCH: RunAs & { readonly niceness: number } = {
  name: 'watch' as ConsumerName,
  kind: 'watch',
  metricsPort: 9473,
  niceness: 10,
}
