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
passwords=$instance/passwords

# An instance is secured from its first start on, or never: users, certificates and passwords are made with its data.
secure_mark=$instance/.millrace-secure
if [[ -f $secure_mark || ${MILLRACE_SECURE:-0} == 1 && ! -f $instance/.millrace-instance ]]; then
  secure=yes
  # The registry has neither TLS nor passwords of its own.
  parts+=(proxy)
else
  secure=no
fi
[[ ${MILLRACE_SECURE:-0} =~ ^[01]$ ]] || fail "MILLRACE_SECURE: expected 1 or 0, got '$MILLRACE_SECURE'"

# As many Kafka brokers as at the first start: each has its share of the data.
kafka_nodes_mark=$instance/.millrace-kafka-nodes
[[ ${MILLRACE_KAFKA_NODES:-1} =~ ^[13]$ ]] || fail "MILLRACE_KAFKA_NODES: expected 1 or 3, got '$MILLRACE_KAFKA_NODES'"
if [[ -f $instance/.millrace-instance ]]; then
  kafka_nodes=1
  if [[ -f $kafka_nodes_mark ]]; then kafka_nodes=3; fi
else
  kafka_nodes=${MILLRACE_KAFKA_NODES:-1}
fi
kafka_parts=(kafka)
if ((kafka_nodes == 3)); then
  kafka_parts+=(kafka2 kafka3)
  parts=("${kafka_parts[@]}" "${parts[@]:1}")
fi

# A second PostgreSQL that follows the first, from the first start on that asks for it. The file has the part that is the primary, or was when it ended.
standby_mark=$instance/.millrace-standby
[[ ${MILLRACE_STANDBY:-0} =~ ^[01]$ ]] || fail "MILLRACE_STANDBY: expected 1 or 0, got '$MILLRACE_STANDBY'"
database_parts=(postgres)
if [[ -f $standby_mark || ${MILLRACE_STANDBY:-0} == 1 ]]; then
  [[ $secure == no ]] || fail 'MILLRACE_STANDBY=1 and MILLRACE_SECURE=1 do not go together'
  database_parts+=(standby)
  parts+=(standby)
fi

# Everybody's name in Kafka, PostgreSQL and the MQTT broker, in a secured instance (docs/roles.md).
kafka_users=(owner operator bridge processors continuity store watch)
postgres_users=(postgres millrace millrace_store millrace_processes millrace_reader millrace_watch)
# The fleet is who speaks for simulated devices, in tests and demonstrations (deploy/local/mosquitto/secure.acl).
mqtt_users=(bridge watch fleet)
# password NAME: what is in the file of that name, without anything that an address or a configuration file would have to escape.
password() { cat "$passwords/$1"; }

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
# Of each broker, by its part: for clients, for controllers, and for the other brokers (of a secured instance, and of three brokers).
declare -A kafka_port kafka_controller_port kafka_internal_port
kafka_port[kafka]=$(port MILLRACE_KAFKA_PORT 9092)
kafka_controller_port[kafka]=$(port MILLRACE_KAFKA_CONTROLLER_PORT 9093)
kafka_internal_port[kafka]=$(port MILLRACE_KAFKA_INTERNAL_PORT 9094)
kafka_port[kafka2]=$(port MILLRACE_KAFKA2_PORT 9095)
kafka_controller_port[kafka2]=$(port MILLRACE_KAFKA2_CONTROLLER_PORT 9096)
kafka_internal_port[kafka2]=$(port MILLRACE_KAFKA2_INTERNAL_PORT 9097)
kafka_port[kafka3]=$(port MILLRACE_KAFKA3_PORT 9098)
kafka_controller_port[kafka3]=$(port MILLRACE_KAFKA3_CONTROLLER_PORT 9099)
kafka_internal_port[kafka3]=$(port MILLRACE_KAFKA3_INTERNAL_PORT 9100)
registry_port=$(port MILLRACE_REGISTRY_PORT 8081)
# Of each server, by its part. Not 5432: a PostgreSQL of the machine's own often has it.
declare -A database_port
database_port[postgres]=$(port MILLRACE_POSTGRES_PORT 5433)
database_port[standby]=$(port MILLRACE_STANDBY_PORT 5434)
# Of a secured instance: where devices with certificates connect, and where the registry is behind its proxy.
mqtt_certificates_port=$(port MILLRACE_MQTT_CERTIFICATES_PORT 8883)
registry_internal_port=$(port MILLRACE_REGISTRY_INTERNAL_PORT 8082)
prometheus_port=$(port MILLRACE_PROMETHEUS_PORT 9090)

# Made at the first start: who has the bridge's client ID has what is queued for it.
if [[ $secure == yes ]]; then
  mqtt_url=mqtts://127.0.0.1:$mqtt_port
  bridge_password_file=$passwords/mqtt-bridge
else
  mqtt_url=mqtt://127.0.0.1:$mqtt_port
  bridge_password_file=$instance/data/mosquitto/bridge.password
fi

# The addresses that Millrace's services read, as KEY=value lines. Those of a secured instance have passwords in them.
addresses() {
  printf 'MQTT_URL=%s\nMQTT_PASSWORD_FILE=%s\nKAFKA_BROKERS=%s\n' "$mqtt_url" "$bridge_password_file" "$(kafka_brokers)"
  if [[ $secure == yes ]]; then
    printf 'MQTT_CA_FILE=%s\nMQTT_WATCH_PASSWORD_FILE=%s\n' "$certificates/ca.pem" "$passwords/mqtt-watch"
    printf 'MQTT_FLEET_USERNAME=millrace-fleet\nMQTT_FLEET_PASSWORD_FILE=%s\n' "$passwords/mqtt-fleet"
    printf 'KAFKA_CA_FILE=%s\nKAFKA_USERNAME=millrace-operator\nKAFKA_PASSWORD_FILE=%s\n' "$certificates/ca.pem" "$passwords/kafka-operator"
    local user
    for user in owner bridge processors continuity store watch; do printf 'KAFKA_%s_PASSWORD_FILE=%s\n' "${user^^}" "$passwords/kafka-$user"; done
    printf 'REGISTRY_URL=https://millrace:%s@127.0.0.1:%s/apis/ccompat/v7?ca_file=%s\n' "$(password registry)" "$registry_port" "$certificates/ca.pem"
  else
    printf 'REGISTRY_URL=http://127.0.0.1:%s/apis/ccompat/v7\n' "$registry_port"
  fi
  database_address DATABASE millrace
  database_address STORE millrace_store
  database_address PROCESSES millrace_processes
  database_address WATCH millrace_watch
  # Its transactions are read-only everywhere.
  database_address READER millrace_reader primary
}

# kafka_brokers: host:port of each, with commas between.
kafka_brokers() {
  local part brokers=()
  for part in "${kafka_parts[@]}"; do brokers+=("127.0.0.1:${kafka_port[$part]}"); done
  (IFS=, && printf '%s\n' "${brokers[*]}")
}

# database_address NAME ROLE [TARGET]: the variable of each database. With a standby the address has both servers, and which one is meant.
database_address() {
  local name=$1 role=$2 target=${3:-read-write} database part user=$2 parameters= servers=()
  if [[ $secure == yes ]]; then
    user=$role:$(password "postgres-$role")
    parameters="?ca_file=$certificates/ca.pem"
  fi
  for part in "${database_parts[@]}"; do servers+=("127.0.0.1:${database_port[$part]}"); done
  if ((${#servers[@]} > 1)); then parameters="?target_session_attrs=$target"; fi
  for database in telemetry app; do
    printf '%s_%s_URL=postgres://%s@%s/%s%s\n' "${database^^}" "$name" "$user" "$(IFS=, && printf '%s' "${servers[*]}")" "$database" "$parameters"
  done
}

# load_parts: defines the functions of each part (see start for what they are).
load_parts() {
  local part
  for part in "${parts[@]}" "${parts_on_request[@]}"; do
    # The first broker's file has the others too, and that of PostgreSQL its standby.
    if [[ $part == kafka[23] || $part == standby ]]; then continue; fi
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
