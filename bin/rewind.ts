import { hostname, userInfo } from 'node:os'
import { whole } from '../ops/figures.ts'
import { type PartitionPlan, type RewindTarget, recordsAgain } from '../ops/rewind/plan.ts'
import { repeated } from '../ops/rewind/repeated.ts'
import { openRewind, requireStopped } from '../ops/rewind/rewind.ts'
import { table } from '../ops/text-table.ts'
import { loadConfig } from '../services/config.ts'
import { declaredService } from '../services/declared.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'

interface Options extends ConfigOption {
  readonly to: RewindTarget
  readonly partition?: number | undefined
  readonly dryRun?: true | undefined
}

/** `millrace rewind <name>`: moves the place of a stopped consumer back. */
export async function rewind(name: string, { to: target, partition, dryRun, ...options }: Options): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const service = await declaredService(config, name)
  if (target.tag === 'offset' && partition === undefined)
    throw new UsageError('--to: an offset is one of a partition: expected --partition as well')
  if (target.tag === 'time') sayMoments({ '--to': target.ms })
  await using rewinding = await openRewind(config, service)
  const plan = await rewinding.plan({ target, partition })
  print(...lines(plan.partitions))
  const records = recordsAgain(plan.partitions)
  if (records === 0n) {
    print('nothing is to be moved')
    return 1
  }
  print(`at most ${whole(records)} records will be read again by ${service.name}:`, ...repeated(service).map((line) => `  ${line}`))
  if (dryRun === true) {
    if (plan.members.length > 0) print(`${service.name} runs: it must be stopped first (${plan.members.length} members of its group)`)
    print('dry run: nothing was moved')
    return 0
  }
  requireStopped(service.name, plan.members)
  await rewinding.apply(plan, inWords(target), `${userInfo().username}@${hostname()}`)
  print(`moved; it goes on from there when it is started. The app database has a row of it in rewind_run`)
  return 0
}

function inWords(target: RewindTarget): string {
  switch (target.tag) {
    case 'time':
      return new Date(target.ms).toISOString()
    case 'offset':
      return String(target.offset)
    case 'beginning':
      return 'beginning'
  }
}

function lines(partitions: readonly PartitionPlan[]): readonly string[] {
  const rows = partitions.map((plan) => {
    const place = [plan.topic, String(plan.partition)]
    if (plan.tag === 'stays') return [...place, '', '', '', `stays: ${plan.why}`]
    const { from, to, cut } = plan
    return [...place, whole(from), whole(to), whole(from - to), cut ? 'the first record that Kafka has: older ones are deleted' : '']
  })
  return table([['topic', 'partition', 'from', 'to', 'records', ''], ...rows], ['left', 'right', 'right', 'right', 'right', 'left'])
}
