import { cpuList } from '../machine.ts'
import { bytes, finding, MIB, type Rule, unknown } from '../rule.ts'

/** Drivers that choose the frequency by themselves, and call what they do `powersave`. */
const DECIDE_THEMSELVES = new Set(['intel_pstate', 'amd-pstate-epp'])
const SLOW_CLOCKS = new Set(['hpet', 'acpi_pm', 'refined-jiffies', 'jiffies'])
const LARGE_MEMORY_BYTES = 32 * 1_024 * MIB
const MOST_DIRTY_BYTES = 1_024 * MIB
const LEAST_FILES = 65_536
const LEAST_BACKLOG = 4_096
const LEAST_MAPS = 262_144

export const machineRules: readonly Rule[] = [
  {
    id: 'cpu-governor',
    why: 'A core that clocks down between two batches answers the next one late: PUBACKs and commits are many short pieces of work.',
    judge: ({ cpu: { governors, scalingDriver, energyPreference } }) => {
      if (governors.length === 0) return [unknown('the machine shows no frequency scaling, as most virtual ones', 'performance')]
      const itself = DECIDE_THEMSELVES.has(scalingDriver ?? '') && energyPreference?.includes('performance') === true
      return [
        finding(itself || governors.every((name) => name === 'performance' || name === 'schedutil'), 'advice', {
          found: itself ? `${scalingDriver}, ${energyPreference}` : governors.join(', '),
          expected: 'performance, or a driver that prefers it',
          command: 'cpupower frequency-set -g performance',
        }),
      ]
    },
  },
  {
    id: 'cpu-clocksource',
    why: 'Services and databases ask for the time with each batch, and hpet or acpi_pm cost a microsecond and more where tsc costs 20 ns.',
    judge: ({ cpu: { clocksource } }) => [
      clocksource === undefined
        ? unknown('/sys does not show it', 'tsc, kvm-clock or hyperv_clocksource')
        : finding(!SLOW_CLOCKS.has(clocksource), 'advice', {
            found: clocksource,
            expected: 'tsc, or the clock of the hypervisor',
            command:
              'echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource   # if `dmesg | grep -i tsc` does not say that it is unstable',
          }),
    ],
  },
  {
    id: 'numa-balancing',
    why: 'Once services are pinned to a node, moving their pages about is only cost: it unmaps them to see who touches them.',
    judge: ({ cpu: { nodes }, memory: { numaBalancing } }) =>
      nodes.length < 2 || numaBalancing === undefined
        ? []
        : [
            finding(numaBalancing === 0, 'advice', {
              found: String(numaBalancing),
              expected: '0 with pinned services',
              command: 'sysctl -w kernel.numa_balancing=0   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'numa-zone-reclaim',
    why: 'With it a node drops its page cache before it takes memory of the other one, and page cache is what Kafka serves its consumers from.',
    judge: ({ cpu: { nodes }, memory: { zoneReclaim } }) =>
      nodes.length < 2 || zoneReclaim === undefined
        ? []
        : [
            finding(zoneReclaim === 0, 'advice', {
              found: String(zoneReclaim),
              expected: '0',
              command: 'sysctl -w vm.zone_reclaim_mode=0   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'net-interrupts-node',
    why: 'A packet that is taken on the other socket than its card crosses the interconnect twice before the broker sees it.',
    judge: ({ cpu: { nodes }, network }) =>
      nodes.length < 2
        ? []
        : network.map(({ name, node, interrupts }) => {
            const own = nodes.find(({ id }) => id === node)
            const expected = `on CPUs of the card's node${own === undefined ? '' : `, ${cpuList(own.cpus)}`}`
            if (own === undefined) return unknown('the machine does not say which node the card is at', expected, name)
            if (interrupts.length === 0) return unknown('/proc/interrupts names none of this card', expected, name)
            const astray = interrupts.filter(({ cpus }) => !cpus.every((cpu) => own.cpus.includes(cpu)))
            return finding(astray.length === 0, 'advice', {
              subject: name,
              found: `node ${node}; ${astray.length} of ${interrupts.length} interrupts may be taken elsewhere`,
              expected,
              command: `systemctl stop irqbalance; for irq in ${astray.map(({ irq }) => irq).join(' ')}; do echo ${cpuList(own.cpus)} > /proc/irq/$irq/smp_affinity_list; done`,
            })
          }),
  },
  {
    id: 'net-interrupts-spread',
    why: 'One core that takes all packets is the first to be full, while the others wait for it.',
    judge: ({ network }) =>
      network
        .filter(({ interrupts, receiveQueues }) => receiveQueues > 1 && interrupts.length > 1)
        .map(({ name, interrupts, receiveQueues }) => {
          const cpus = [...new Set(interrupts.flatMap((each) => each.cpus))].sort((a, b) => a - b)
          return finding(cpus.length > 1, 'advice', {
            subject: name,
            found: `${interrupts.length} interrupts of ${receiveQueues} receive queues on CPU ${cpuList(cpus)}`,
            expected: 'more than one CPU',
            command: 'systemctl enable --now irqbalance',
          })
        }),
  },
  {
    id: 'memory-channels',
    why: 'Each empty channel takes its share of the memory bandwidth away for good, and COPY, sorting and page cache are copying memory.',
    judge: ({ memory: { channels } }) => {
      const expected = 'all filled, alike'
      if (channels.tag === 'unknown') return [unknown(channels.why, expected)]
      return [
        finding(channels.populated === channels.total, 'advice', {
          found: `${channels.populated} of ${channels.total} filled`,
          expected,
          command: 'sudo dmidecode -t 17   # shows the empty slots: move modules, or add some',
        }),
      ]
    },
  },
  {
    id: 'memory-transparent-hugepages',
    why: 'With `always` the kernel stops a process to put pages together, and grows the heaps of services that touch little of them.',
    judge: ({ memory: { transparentHugePages: found } }) =>
      found === undefined
        ? []
        : [
            finding(found !== 'always', 'advice', {
              found,
              expected: 'madvise or never',
              command:
                'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled   # for good: transparent_hugepage=madvise on the kernel command line',
            }),
          ],
  },
  {
    id: 'memory-swappiness',
    why: 'Page cache is large here by design, and a kernel that prefers it swaps out heaps that every batch goes through.',
    judge: ({ memory: { swapBytes, swappiness } }) =>
      swapBytes === undefined || swapBytes === 0 || swappiness === undefined
        ? []
        : [
            finding(swappiness <= 10, 'advice', {
              found: `${swappiness}, with ${bytes(swapBytes)} of swap`,
              expected: 'at most 10',
              command: 'sysctl -w vm.swappiness=1   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'memory-dirty',
    why: 'Shares of a large memory let gigabytes gather before writing begins, and then an fdatasync of a commit waits behind all of it.',
    judge: ({ memory: { totalBytes = 0, dirtyBackgroundBytes } }) =>
      totalBytes < LARGE_MEMORY_BYTES || dirtyBackgroundBytes === undefined
        ? []
        : [
            finding(dirtyBackgroundBytes <= MOST_DIRTY_BYTES, 'advice', {
              found: `writing begins at ${bytes(dirtyBackgroundBytes)}`,
              expected: `at most ${bytes(MOST_DIRTY_BYTES)}`,
              command: 'sysctl -w vm.dirty_background_bytes=268435456 vm.dirty_bytes=1073741824   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'files-daemon',
    why: 'A device is a descriptor of the broker, a partition several of Kafka: at the limit new devices are refused, and Kafka stops.',
    judge: ({ system: { daemons } }) =>
      (['mosquitto', 'kafka'] as const).flatMap((what) => {
        const limits = daemons.filter((each) => each.what === what).map(({ openFiles }) => openFiles)
        if (limits.length === 0) return []
        const expected = `at least ${LEAST_FILES} open files, and more than there are devices`
        const known = limits.filter((limit) => limit !== undefined)
        if (known.length < limits.length)
          return unknown(`only its own user and root may see it: \`systemctl show -p LimitNOFILE ${what}\``, expected, what)
        const least = Math.min(...known)
        return finding(least >= LEAST_FILES, 'advice', {
          subject: what,
          found: String(least),
          expected,
          command: `systemctl edit ${what}   # [Service] LimitNOFILE=1048576, then restart it`,
        })
      }),
  },
  {
    id: 'files-machine',
    why: 'The limit of the whole machine counts before that of any process.',
    judge: ({ system: { fileMax } }) =>
      fileMax === undefined
        ? []
        : [
            finding(fileMax >= 4 * LEAST_FILES, 'advice', {
              found: String(fileMax),
              expected: `at least ${4 * LEAST_FILES}`,
              command: 'sysctl -w fs.file-max=2097152   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'net-listen-backlog',
    why: 'After an outage all devices connect within seconds; what is over the queue of accepted connections tries again seconds later.',
    judge: ({ system: { listenBacklog } }) =>
      listenBacklog === undefined
        ? []
        : [
            finding(listenBacklog >= LEAST_BACKLOG, 'advice', {
              found: String(listenBacklog),
              expected: `at least ${LEAST_BACKLOG}`,
              command: 'sysctl -w net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=8192   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'memory-maps',
    why: 'Kafka maps two files of each segment, and a broker that may map no more ends with an out-of-memory error while memory is free.',
    judge: ({ system: { daemons, memoryMaps } }) =>
      memoryMaps === undefined || !daemons.some(({ what }) => what === 'kafka')
        ? []
        : [
            finding(memoryMaps >= LEAST_MAPS, 'advice', {
              found: String(memoryMaps),
              expected: `at least ${LEAST_MAPS} where Kafka runs`,
              command: 'sysctl -w vm.max_map_count=262144   # and in /etc/sysctl.d/millrace.conf',
            }),
          ],
  },
  {
    id: 'time-sync',
    why: "The time of receipt is this machine's: a clock that drifts makes readings arrive before they were measured, and lag negative.",
    judge: ({ system: { timeSync } }) => {
      const expected = 'synchronised, within 100 ms'
      if (timeSync.tag === 'unknown') return [unknown(timeSync.why, expected)]
      const offset = timeSync.tag === 'synchronised' ? timeSync.offsetMs : undefined
      return [
        finding(timeSync.tag === 'synchronised' && (offset === undefined || offset <= 100), 'fault', {
          found: `${timeSync.tag === 'synchronised' ? 'synchronised' : 'not synchronised'} by ${timeSync.by}${offset === undefined ? '' : `, ${offset.toFixed(1)} ms off`}`,
          expected,
          command: 'apt install chrony && chronyc makestep',
        }),
      ]
    },
  },
]
