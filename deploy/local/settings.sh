# shellcheck shell=bash
# Where an instance of the local stack lives and listens. Sourced by every script here; starts nothing.
# shellcheck disable=SC2034 # the variables are for the scripts that source this file

stack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$stack/../.." && pwd)
parts=(kafka registry mosquitto postgres)
# Those that are there only if somebody asks for them by name.
parts_on_request=(prometheus)

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# An instance is a directory; a relative path counts from the repository, so that it does not depend on where one stands.
absolute() {
  case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$repository" "$1" ;;
  esac
}
instance=$(absolute "${MILLRACE_LOCAL:-.local/dev}")
cache=$(absolute "${MILLRACE_CACHE:-.local/cache}")
# Made by `certificates`, if somebody needs them.
certificates=$instance/certificates

# port NAME DEFAULT: an explicit port is taken as it is, a default moves with MILLRACE_PORT_OFFSET.
port() {
  local name=$1 value
  value=${!name:-$(($2 + ${MILLRACE_PORT_OFFSET:-0}))}
  if ! [[ $value =~ ^[0-9]+$ ]] || ((value < 1 || value > 65535)); then
    fail "$name: expected a port from 1 to 65535, got '$value'"
  fi
  printf '%s\n' "$value"
}
[[ ${MILLRACE_PORT_OFFSET:-0} =~ ^[0-9]{1,5}$ ]] ||
  fail "MILLRACE_PORT_OFFSET: expected a number from 0 to 56000, got '$MILLRACE_PORT_OFFSET'"

mqtt_port=$(port MILLRACE_MQTT_PORT 1883)
kafka_port=$(port MILLRACE_KAFKA_PORT 9092)
kafka_controller_port=$(port MILLRACE_KAFKA_CONTROLLER_PORT 9093)
registry_port=$(port MILLRACE_REGISTRY_PORT 8081)
# Not 5432: a PostgreSQL of the machine's own often has it.
postgres_port=$(port MILLRACE_POSTGRES_PORT 5433)
prometheus_port=$(port MILLRACE_PROMETHEUS_PORT 9090)

# Made at the first start: who has the bridge's client ID has what is queued for it.
bridge_password_file=$instance/data/mosquitto/bridge.password

# The addresses that Millrace's services read, as KEY=value lines.
addresses() {
  cat <<LINES
MQTT_URL=mqtt://127.0.0.1:$mqtt_port
MQTT_PASSWORD_FILE=$bridge_password_file
KAFKA_BROKERS=127.0.0.1:$kafka_port
REGISTRY_URL=http://127.0.0.1:$registry_port/apis/ccompat/v7
TELEMETRY_DATABASE_URL=postgres://millrace@127.0.0.1:$postgres_port/telemetry
APP_DATABASE_URL=postgres://millrace@127.0.0.1:$postgres_port/app
TELEMETRY_STORE_URL=postgres://millrace_store@127.0.0.1:$postgres_port/telemetry
TELEMETRY_PROCESSES_URL=postgres://millrace_processes@127.0.0.1:$postgres_port/telemetry
TELEMETRY_WATCH_URL=postgres://millrace_watch@127.0.0.1:$postgres_port/telemetry
APP_STORE_URL=postgres://millrace_store@127.0.0.1:$postgres_port/app
APP_PROCESSES_URL=postgres://millrace_processes@127.0.0.1:$postgres_port/app
APP_WATCH_URL=postgres://millrace_watch@127.0.0.1:$postgres_port/app
TELEMETRY_READER_URL=postgres://millrace_reader@127.0.0.1:$postgres_port/telemetry
APP_READER_URL=postgres://millrace_reader@127.0.0.1:$postgres_port/app
LINES
}

# load_parts: defines the functions of each part (see start for what they are).
load_parts() {
  local part
  for part in "${parts[@]}" "${parts_on_request[@]}"; do
    # shellcheck disable=SC1090 # the files named part.sh below this directory
    source "$stack/$part/part.sh"
  done
}

# started_parts: all parts, of those on request only what was started.
started_parts() {
  local part
  printf '%s\n' "${parts[@]}"
  for part in "${parts_on_request[@]}"; do
    if [[ -f $instance/pid/$part ]]; then printf '%s\n' "$part"; fi
  done
}

# chosen_parts ARGUMENT...: the parts that were named.
chosen_parts() {
  local name all=("${parts[@]}" "${parts_on_request[@]}")
  for name in "$@"; do
    [[ " ${all[*]} " == *" $name "* ]] || fail "no part is called '$name'; there are: ${all[*]}"
    printf '%s\n' "$name"
  done
}
