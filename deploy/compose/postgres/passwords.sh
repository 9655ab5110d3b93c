#!/bin/sh
# Gives each role its password, at the first start, and telemetry its TimescaleDB. By standard input: a command line is everybody's to read.
set -eu
export PGUSER=postgres
secrets=/run/millrace/secrets
printf 'CREATE ROLE millrace_broker LOGIN;\n' | psql -X -q -v ON_ERROR_STOP=1 -d postgres
for role in millrace millrace_store millrace_processes millrace_reader millrace_watch millrace_broker; do
  printf "ALTER ROLE %s PASSWORD '%s';\n" "$role" "$(cat "$secrets/$role")"
done | psql -X -q -v ON_ERROR_STOP=1 -d postgres
psql -X -q -v ON_ERROR_STOP=1 -d telemetry -f /etc/millrace/postgres/timescaledb.sql >/dev/null
