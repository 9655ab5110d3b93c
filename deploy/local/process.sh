# shellcheck shell=bash
# Processes known by their PID file. A PID file holds the PID and the process's start time in clock ticks since boot
# (proc(5), stat field 22): a PID alone may have gone to another process since. Sourced by start, stop and status.
# shellcheck disable=SC2154 # instance comes from settings.sh

log_file() { printf '%s/log/%s.log\n' "$instance" "$1"; }
pid_file() { printf '%s/pid/%s\n' "$instance" "$1"; }

# started_at PID: the start time of a live process; fails when there is none, or only a zombie that nobody has reaped.
# A killed process is a zombie while its last threads still go, and hold its ports: it counts as alive until then.
started_at() {
  local stat fields tasks
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  read -ra fields <<<"${stat##*) }"
  if [[ ${fields[0]} == [ZX] ]]; then
    tasks=("/proc/$1/task"/*)
    ((${#tasks[@]} > 1)) || return 1
  fi
  printf '%s\n' "${fields[19]}"
}

# running PART: prints the PID when the part's process is alive, else fails.
running() {
  local pid start
  read -r pid start 2>/dev/null <"$(pid_file "$1")" || return 1
  [[ $(started_at "$pid") == "$start" ]] && printf '%s\n' "$pid"
}

# launch PART COMMAND...: starts a process that outlives this script and its terminal.
launch() {
  local part=$1 log pid
  shift
  log=$(log_file "$part")
  # One old log is kept, so that a long-lived instance does not fill the disk.
  if [[ -f $log && $(stat -c %s "$log") -gt 20000000 ]]; then mv "$log" "$log.old"; fi
  printf -- '--- start, %(%FT%T%z)T\n' -1 >>"$log"
  # Descriptor 9 is the part's lock: a child that kept it would hold the lock for its whole life.
  setsid "$@" </dev/null >>"$log" 2>&1 9>&- &
  pid=$!
  printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$(pid_file "$part")"
}

# gone PID START SECONDS: waits until that process has ended; fails when it has not in time.
gone() {
  local deadline=$((SECONDS + $3))
  while [[ $(started_at "$1") == "$2" ]]; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

# port_owner PORT: who listens on it, in words; fails when nobody does.
port_owner() {
  local listeners
  listeners=$(ss -Hltnp "sport = :$1" 2>/dev/null) || return 1
  [[ $listeners ]] || return 1
  if [[ $listeners =~ \"([^\"]+)\",pid=([0-9]+) ]]; then
    printf '%s (PID %s)\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  else
    printf 'a process of another user\n'
  fi
}
