# shellcheck shell=bash
# PostgreSQL: one cluster with the databases telemetry and app, TimescaleDB in telemetry when the server has it.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

postgres_ports=("$postgres_port")
postgres_port_settings=(MILLRACE_POSTGRES_PORT)
postgres_address=postgres://millrace@127.0.0.1:$postgres_port
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

# The cluster's directory: inside the instance, or, where the user postgres may not go (a clone below /root), in
# /var/lib/millrace-local, under a name that follows from the instance's path.
postgres_data() {
  local inside=$instance/data/postgres
  if ((EUID != 0)) || as_postgres test -x "$instance/data"; then
    printf '%s\n' "$inside"
  else
    printf '/var/lib/millrace-local/%s\n' "$(printf '%s' "$instance" | sha256sum | cut -c 1-12)"
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

postgres_prepare() {
  local data
  data=$(postgres_data)
  if [[ $data != "$instance"/* ]]; then
    printf 'postgres   the user postgres may not enter %s: the data goes to %s\n' "$instance" "$data"
    mkdir -p "$(dirname "$data")"
  fi
  wait_for_reaper "$data"
  if ! [[ -f $data/millrace.conf ]]; then
    # Nothing is worth keeping in a cluster whose creation was cut short.
    rm -rf "$data"
    mkdir -p "$data"
    if ((EUID == 0)); then chown postgres:postgres "$data"; fi
    local authentication=trust
    # Until postgres_secure says who may.
    if [[ $secure == yes ]]; then authentication=reject; fi
    (cd / && as_postgres "$postgres_programs/initdb" -D "$data" -U postgres "--auth=$authentication" --encoding=UTF8 \
      --locale=C.UTF-8 --no-instructions) >>"$(log_file postgres)" 2>&1 || return 1
    if [[ $secure == yes ]]; then
      # By its standard input: the user postgres may not read the file.
      printf "ALTER ROLE postgres PASSWORD '%s'\n" "$(password postgres-postgres)" |
        (cd / && as_postgres "$postgres_programs/postgres" --single -D "$data" postgres) >/dev/null 2>>"$(log_file postgres)" || return 1
    fi
    printf "include 'millrace.conf'\n" >>"$data/postgresql.conf"
  fi
  {
    cat "$stack/postgres/postgresql.conf"
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    printf 'port = %s\n' "$postgres_port"
    if postgres_has_timescaledb; then
      printf "shared_preload_libraries = 'timescaledb'\n"
      # The extension reports to its makers unless told not to, and would keep 16 workers ready.
      printf 'timescaledb.telemetry_level = off\n'
      printf 'timescaledb.max_background_workers = 4\n'
    fi
    if [[ $secure == yes ]]; then cat "$stack/postgres/secure.conf"; fi
  } >"$data/millrace.conf"
  if [[ $secure == yes ]]; then postgres_secure "$data"; fi
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

postgres_command() {
  command=("$postgres_programs/postgres" -D "$(postgres_data)")
  if ((EUID == 0)); then
    command=(setpriv --reuid=postgres --regid=postgres --init-groups -- "${command[@]}")
  fi
}

postgres_ready() { "$postgres_programs/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" -U postgres -d postgres; }

postgres_psql() {
  if [[ $secure == yes ]]; then
    local -x PGPASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=$certificates/ca.pem
    PGPASSWORD=$(password postgres-postgres)
  fi
  "$postgres_programs/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$postgres_port" -U postgres "$@"
}

# Passwords of the roles, which are nobody's to read on a command line.
postgres_passwords() {
  local user
  for user in "${postgres_users[@]}"; do printf "ALTER ROLE %s PASSWORD '%s';\n" "$user" "$(password "postgres-$user")"; done
}

# The roles and the databases; nothing when they are there. At each start, for a newer version may need more.
postgres_provision() {
  postgres_psql -d postgres -f "$stack/postgres/provision.sql" >/dev/null || return 1
  if [[ $secure == yes ]]; then postgres_passwords | postgres_psql -d postgres || return 1; fi
  if postgres_has_timescaledb; then
    postgres_psql -d telemetry -f "$stack/postgres/timescaledb.sql" >/dev/null
  fi
}

# Fast: does not wait for clients to leave, and writes a checkpoint, so that the next start has nothing to recover.
postgres_stop() {
  (cd / && as_postgres "$postgres_programs/pg_ctl" stop -D "$(postgres_data)" -m fast -W -s)
}

# All at once, as when the power fails: with the parent alone dead, a backend would still finish its transaction, and
# the next start would find the shared memory in use.
postgres_kill() {
  local children
  mapfile -t children < <(pgrep -P "$1")
  kill -KILL "$1" "${children[@]}"
}
