import type { Session } from './session.ts'

/** Devices, and patterns of devices, that each gateway may speak for. */
export type GatewayRules = ReadonlyMap<string, readonly string[]>

interface Row extends Record<string, unknown> {
  readonly gateway: string
  readonly device: string
}

const SELECT = 'SELECT gateway, device FROM gateway_devices'

/** Reads every rule. */
export async function loadGatewayRules(session: Session): Promise<GatewayRules> {
  return grouped(await session.query<Row>('loading gateways', SELECT))
}

/** Reads the rules of these gateways. */
export async function findGatewayRules(session: Session, gateways: readonly string[]): Promise<GatewayRules> {
  return grouped(await session.query<Row>('looking up gateways', `${SELECT} WHERE gateway = ANY ($1)`, [gateways]))
}

function grouped(rows: readonly Row[]): GatewayRules {
  const gateways = new Map<string, string[]>()
  for (const { gateway, device } of rows) {
    const devices = gateways.get(gateway)
    if (devices === undefined) gateways.set(gateway, [device])
    else devices.push(device)
  }
  return gateways
}
