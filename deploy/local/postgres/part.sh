# shellcheck shell=bash
# PostgreSQL: one cluster with the databases telemetry and app, TimescaleDB in telemetry when the server has it. And the part `standby`, a second server
# that follows it. After `promote` they change places. What is about one of them takes its part's name.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

postgres_ports=("${database_port[postgres]}")
postgres_port_settings=(MILLRACE_POSTGRES_PORT)
postgres_address=postgres://millrace@127.0.0.1:${database_port[postgres]}
standby_ports=("${database_port[standby]}")
standby_port_settings=(MILLRACE_STANDBY_PORT)
standby_address=postgres://millrace@127.0.0.1:${database_port[standby]}
# Debian keeps the server's programs out of PATH, one directory for each version. The newest is taken.
postgres_programs=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)

# PostgreSQL refuses to run as root: root's instances run as the user postgres.
as_postgres() {
  if ((EUID == 0)); then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    "$@"
  fi
}

# The server that takes writes, or will once it runs.
postgres_primary() { if [[ -f $standby_mark ]]; then cat "$standby_mark"; else echo postgres; fi; }

# A server's directory: inside the instance, or, where the user postgres may not go (a clone below /root), in
# /var/lib/millrace-local, under a name that follows from the instance's path.
postgres_data() {
  local inside=$instance/data/$1
  if ((EUID != 0)) || as_postgres test -x "$instance/data"; then
    printf '%s\n' "$inside"
  else
    printf '/var/lib/millrace-local/%s%s\n' "$(printf '%s' "$instance" | sha256sum | cut -c 1-12)" "${1#postgres}"
  fi
}

postgres_has_timescaledb() {
  [[ ${MILLRACE_TIMESCALEDB:-yes} != no && -f $("$postgres_programs/pg_config" --pkglibdir)/timescaledb.so ]]
}

# After a SIGKILL the cluster's PID file stays, and as long as init has not reaped the dead server, PostgreSQL takes it
# for a live one and refuses to start.
wait_for_reaper() {
  local pid deadline=$((SECONDS + 10))
  read -r pid 2>/dev/null <"$1/postmaster.pid" || return 0
  while ! started_at "$pid" >/dev/null && [[ -d /proc/$pid ]] && ((SECONDS < deadline)); do sleep 0.05; done
}

postgres_prepare() { server_prepare postgres; }
standby_prepare() { server_prepare standby; }
server_prepare() {
  local data
  data=$(postgres_data "$1")
  if [[ $data != "$instance"/* ]]; then
    printf '%-10s the user postgres may not enter %s: the data goes to %s\n' "$1" "$instance" "$data"
    mkdir -p "$(dirname "$data")"
  fi
  wait_for_reaper "$data"
  if [[ $1 != "$(postgres_primary)" ]]; then
    # Without the mark it is new, or was the primary until the other one was promoted.
    if ! [[ -f $data/standby.signal ]]; then postgres_follow "$1" "$data" || return 1; fi
  elif ! [[ -f $data/millrace.conf ]]; then
    postgres_create "$1" "$data" || return 1
  fi
  {
    cat "$stack/postgres/postgresql.conf"
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    printf 'port = %s\n' "${database_port[$1]}"
    if postgres_has_timescaledb; then
      printf "shared_preload_libraries = 'timescaledb'\n"
      # The extension reports to its makers unless told not to, and would keep 16 workers ready.
      printf 'timescaledb.telemetry_level = off\n'
      printf 'timescaledb.max_background_workers = 4\n'
    fi
    # For a standby that is stopped for a while.
    if ((${#database_parts[@]} > 1)); then printf 'wal_keep_size = 1GB\n'; fi
    if [[ $secure == yes ]]; then cat "$stack/postgres/secure.conf"; fi
  } >"$data/millrace.conf"
  if [[ $secure == yes ]]; then postgres_secure "$data"; fi
}

# empty_data DATA: for a cluster that is about to be made. Nothing is worth keeping in one whose creation was cut short.
empty_data() {
  rm -rf "$1"
  mkdir -p "$1"
  chmod 700 "$1"
  if ((EUID == 0)); then chown postgres:postgres "$1"; fi
}

# postgres_create PART DATA: a new cluster.
postgres_create() {
  empty_data "$2"
  local authentication=trust
  # Until postgres_secure says who may.
  if [[ $secure == yes ]]; then authentication=reject; fi
  (cd / && as_postgres "$postgres_programs/initdb" -D "$2" -U postgres "--auth=$authentication" --encoding=UTF8 \
    --locale=C.UTF-8 --no-instructions) >>"$(log_file "$1")" 2>&1 || return 1
  if [[ $secure == yes ]]; then
    # By its standard input: the user postgres may not read the file.
    printf "ALTER ROLE postgres PASSWORD '%s'\n" "$(password postgres-postgres)" |
      (cd / && as_postgres "$postgres_programs/postgres" --single -D "$2" postgres) >/dev/null 2>>"$(log_file "$1")" || return 1
  fi
  printf "include 'millrace.conf'\n" >>"$2/postgresql.conf"
}

# postgres_follow PART DATA: a copy of the primary, which must be there or just starting, that follows it.
postgres_follow() {
  local primary deadline=$((SECONDS + ready_within_s))
  primary=$(postgres_primary)
  until server_ready "$primary"; do
    ((SECONDS < deadline)) || { printf '%s does not run, which %s is to follow\n' "$primary" "$1" >>"$(log_file "$1")" && return 1; }
    sleep 0.2
  done
  empty_data "$2"
  (cd / && as_postgres "$postgres_programs/pg_basebackup" -h 127.0.0.1 -p "${database_port[$primary]}" -U postgres -D "$2" \
    --wal-method=stream --checkpoint=fast --write-recovery-conf) >>"$(log_file "$1")" 2>&1
}

# The server reads its certificate, its key and who may connect when it starts, and when it is told to reload.
postgres_secure() {
  local owner=()
  if ((EUID == 0)); then owner=(-o postgres -g postgres); fi
  install "${owner[@]}" -m 600 "$certificates/server.key" "$1/server.key" &&
    install "${owner[@]}" -m 644 "$certificates/server.pem" "$1/server.crt" &&
    install "${owner[@]}" -m 644 "$certificates/ca.pem" "$1/ca.crt" &&
    install "${owner[@]}" -m 600 "$stack/postgres/pg_hba.conf" "$1/pg_hba.conf"
}

postgres_command() { server_command postgres; }
standby_command() { server_command standby; }
server_command() {
  command=("$postgres_programs/postgres" -D "$(postgres_data "$1")")
  if ((EUID == 0)); then
    command=(setpriv --reuid=postgres --regid=postgres --init-groups -- "${command[@]}")
  fi
}

postgres_ready() { server_ready postgres; }
standby_ready() { server_ready standby; }
server_ready() { "$postgres_programs/pg_isready" -q -h 127.0.0.1 -p "${database_port[$1]}" -U postgres -d postgres; }

postgres_psql() {
  if [[ $secure == yes ]]; then
    local -x PGPASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=$certificates/ca.pem
    PGPASSWORD=$(password postgres-postgres)
  fi
  "$postgres_programs/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "${database_port[$(postgres_primary)]}" -U postgres "$@"
}

# Passwords of the roles, which are nobody's to read on a command line.
postgres_passwords() {
  local user
  for user in "${postgres_users[@]}"; do printf "ALTER ROLE %s PASSWORD '%s';\n" "$user" "$(password "postgres-$user")"; done
}

# The roles and the databases; nothing when they are there. At each start, for a newer version may need more. A standby gets what the primary has.
postgres_provision() { server_provision postgres; }
standby_provision() { server_provision standby; }
server_provision() {
  if [[ $1 != "$(postgres_primary)" ]]; then return; fi
  postgres_psql -d postgres -f "$stack/postgres/provision.sql" >/dev/null || return 1
  if [[ $secure == yes ]]; then postgres_passwords | postgres_psql -d postgres || return 1; fi
  if postgres_has_timescaledb; then
    postgres_psql -d telemetry -f "$stack/postgres/timescaledb.sql" >/dev/null
  fi
}

# Fast: does not wait for clients to leave, and writes a checkpoint, so that the next start has nothing to recover.
postgres_stop() { server_stop postgres; }
standby_stop() { server_stop standby; }
server_stop() {
  (cd / && as_postgres "$postgres_programs/pg_ctl" stop -D "$(postgres_data "$1")" -m fast -W -s)
}

# All at once, as when the power fails: with the parent alone dead, a backend would still finish its transaction, and
# the next start would find the shared memory in use.
postgres_kill() { server_kill "$1"; }
standby_kill() { server_kill "$1"; }
server_kill() {
  local children
  mapfile -t children < <(pgrep -P "$1")
  kill -KILL "$1" "${children[@]}"
}

# postgres_promote PART: makes a standby the primary; returns when it takes writes.
postgres_promote() {
  (cd / && as_postgres "$postgres_programs/pg_ctl" promote -D "$(postgres_data "$1")" -w -s)
  printf '%s\n' "$1" >"$standby_mark"
}
