import { WATCH } from '../watch/declaration.ts'

/** What a unit of systemd is made for. */
export interface UnitService {
  readonly name: string
  /** 1 to 19: the higher, the less CPU it gets if others need it. */
  readonly niceness?: number | undefined
}

/** Where units find Millrace. */
export interface UnitPlace {
  /** The command line, as an absolute path. */
  readonly program: string
  /** Whom the services run as. */
  readonly user: string
  /** Configuration file, as an absolute path; undefined if the program knows it. */
  readonly config?: string | undefined
}

/** A file for a folder of systemd's. */
export interface UnitFile {
  readonly name: string
  readonly text: string
}

export const TARGET = 'millrace.target'

export function unitName(service: string): string {
  return `millrace-${service}.service`
}

/**
 * The target, a unit for each service and one for `millrace watch`, which the target starts, and
 * one for the page, which it does not.
 */
export function unitFiles(services: readonly UnitService[], place: UnitPlace): readonly UnitFile[] {
  return [
    { name: TARGET, text: target() },
    ...services.map((service) => ({ name: unitName(service.name), text: unit(service, ['run', service.name], place, { ready: true }) })),
    { name: unitName(WATCH.name), text: unit(WATCH, ['watch'], place, { ready: false }) },
    { name: unitName('ops'), text: unit({ name: 'ops', niceness: WATCH.niceness }, ['ops'], place, { ready: false }) },
  ]
}

/**
 * Weight of the unit's cgroup. Linux gives a process of one niceness more a weight of 1.25 times
 * less, and a unit without a weight 100.
 */
export function cpuWeight(niceness = 0): number {
  return Math.round(100 / 1.25 ** niceness)
}

function target(): string {
  return `[Unit]
Description=Millrace: telemetry from devices to rows
Documentation=file:///usr/share/doc/millrace/install.md

[Install]
WantedBy=multi-user.target
`
}

/** How long a start waits for a service to be healthy. The service goes on if it is not by then. */
const READY_S = 30
/** Longer than a service gives itself (services/service.ts). */
const STOP_S = 15

function unit({ name, niceness }: UnitService, words: readonly string[], place: UnitPlace, { ready }: { readonly ready: boolean }): string {
  const configured = place.config === undefined ? [] : ['--config', place.config]
  const command = (...args: readonly string[]): string => [place.program, ...args, ...configured].map(escaped).join(' ')
  // What waits for a server goes on waiting: a failure here must not end it, hence the "-".
  const post = ready ? `ExecStartPost=-${command('status', '--wait', String(READY_S), name)}\n` : ''
  return `[Unit]
Description=Millrace ${name}
Documentation=file:///usr/share/doc/millrace/install.md
After=network-online.target
Wants=network-online.target
PartOf=${TARGET}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command(...words)}
${post}TimeoutStartSec=${READY_S * 2}
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=${STOP_S}
User=${place.user}
UMask=0027
StateDirectory=millrace
StateDirectoryMode=0750
WorkingDirectory=%S/millrace
Environment=MILLRACE_LOCAL=%S/millrace
SyslogIdentifier=millrace-${name}
CPUWeight=${cpuWeight(niceness)}
${HARDENING}
[Install]
WantedBy=${TARGET}
`
}

/** As systemd reads a word of a command line: % begins a specifier, $ a variable. */
function escaped(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /[\s"'\\;]/.test(plain) ? `"${plain.replace(/["\\]/g, '\\$&')}"` : plain
}

/**
 * Left out are MemoryDenyWriteExecute, which ends V8's compiler, @resources of the system calls,
 * since the store gives its archive's process a niceness, and IPAddressDeny: where the servers are
 * is the deployment's.
 */
const HARDENING = `CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
`
