# shellcheck shell=bash
# The MQTT broker: Mosquitto.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

mosquitto_ports=("$mqtt_port")
mosquitto_port_settings=(MILLRACE_MQTT_PORT)
mosquitto_address=mqtt://127.0.0.1:$mqtt_port

# Debian puts the broker where only root's PATH looks.
mosquitto_program() { PATH=$PATH:/usr/sbin command -v mosquitto; }

mosquitto_prepare() {
  local data=$instance/data/mosquitto
  mkdir -p "$data"
  {
    cat "$stack/mosquitto/mosquitto.conf"
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    printf 'listener %s 127.0.0.1\n' "$mqtt_port"
    printf 'persistence_location %s/\n' "$data"
    printf 'acl_file %s\n' "$data/acl"
    printf 'plugin %s\nplugin_opt_seconds 10\n' "$data/silent_sockets.so"
    printf 'plugin %s\nplugin_opt_user millrace-bridge\nplugin_opt_password_file %s\n' "$data/bridge_session.so" "$bridge_password_file"
    # Without this the broker, started by root, becomes a user that may not enter the instance's directory.
    printf 'user %s\n' "$(id -un)"
  } >"$data/mosquitto.conf"
  install -m 600 "$stack/mosquitto/acl" "$data/acl"
  local plugin
  for plugin in bridge_session silent_sockets; do
    gcc -O2 -Wall -Wextra -shared -fPIC -o "$data/$plugin.so" "$stack/mosquitto/$plugin.c" || return 1
  done
  if ! [[ -s $bridge_password_file ]]; then
    (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' 'AB' >"$bridge_password_file")
  fi
}

mosquitto_command() {
  # One descriptor for each device. A hard limit below this is kept as it is.
  ulimit -n 65535 2>/dev/null || ulimit -n "$(ulimit -Hn)"
  # Ahead of what comes after it: what cannot be done at once then waits in Kafka, not in the broker's memory (docs/adr/0010-broker-first.md).
  command=("$stack/ahead" "$(mosquitto_program)" -c "$instance/data/mosquitto/mosquitto.conf")
}

# A connection, a subscription and a retained message.
mosquitto_ready() {
  mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -t "\$SYS/broker/version" -C 1 -W 2 >/dev/null 2>&1
}

mosquitto_stop() { kill -TERM "$1"; }
mosquitto_kill() { kill -KILL "$1"; }
