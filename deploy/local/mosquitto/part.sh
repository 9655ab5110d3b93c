# shellcheck shell=bash
# The MQTT broker: Mosquitto.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

mosquitto_ports=("$mqtt_port")
mosquitto_port_settings=(MILLRACE_MQTT_PORT)
if [[ $secure == yes ]]; then
  mosquitto_ports+=("$mqtt_certificates_port")
  mosquitto_port_settings+=(MILLRACE_MQTT_CERTIFICATES_PORT)
fi
mosquitto_address=$mqtt_url

# Debian puts the broker where only root's PATH looks.
mosquitto_program() { PATH=$PATH:/usr/sbin command -v mosquitto; }

mosquitto_prepare() {
  local data=$instance/data/mosquitto kind=plain plugin
  if [[ $secure == yes ]]; then kind=secure; fi
  mkdir -p "$data"
  {
    cat "$stack/mosquitto/mosquitto.conf"
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    printf 'persistence_location %s/\n' "$data"
    printf 'acl_file %s\n' "$data/acl"
    # Without this the broker, started by root, becomes a user that may not enter the instance's directory.
    printf 'user %s\n' "$(id -un)"
    printf 'plugin %s\nplugin_opt_seconds 10\n' "$data/silent_sockets.so"
    sed "s|DATA|$data|g; s|CERTIFICATES|$certificates|g; s|PASSWORD_FILE|$bridge_password_file|; s|DEVICES_PORT|$mqtt_certificates_port|; s|PORT|$mqtt_port|" \
      "$stack/mosquitto/$kind.conf"
  } >"$data/mosquitto.conf"
  cat "$stack/mosquitto/$kind.acl" "$stack/mosquitto/acl" >"$data/acl"
  chmod 600 "$data/acl"
  for plugin in bridge_session silent_sockets; do
    gcc -O2 -Wall -Wextra -shared -fPIC -o "$data/$plugin.so" "$stack/mosquitto/$plugin.c" || return 1
  done
  if [[ $secure == yes ]]; then
    mosquitto_users && mosquitto_devices
  elif ! [[ -s $bridge_password_file ]]; then
    (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' 'AB' >"$bridge_password_file")
  fi
}

# The users who are no devices, and what `start` asks the broker with: a command line is everybody's to read.
mosquitto_users() (
  umask 077
  local user
  for user in "${mqtt_users[@]}"; do printf 'millrace-%s:%s\n' "$user" "$(password "mqtt-$user")"; done >"$data/users"
  mosquitto_passwd -U "$data/users" || return 1
  mkdir -p "$data/client"
  printf -- '-u millrace-watch\n-P %s\n--cafile %s\n' "$(password mqtt-watch)" "$certificates/ca.pem" >"$data/client/mosquitto_sub"
)

# What devices come with. The broker does not start without these files, and nobody may have been given a credential yet: then it knows an authority whose key
# is gone. `millrace devices` with the configuration file that is written here replaces all three.
mosquitto_devices() (
  umask 077
  local devices=$data/devices
  mkdir -p "$devices"
  printf '# For millrace devices --config: docs/device-identity.md.\nidentity:\n' >"$instance/identity.yaml"
  printf '  %s\n' 'authority: certificates/devices' 'broker_files: data/mosquitto/devices' 'broker_users: data/mosquitto/users' \
    'broker_pid_file: data/mosquitto/mosquitto.pid' "brokers: ['mqtts://127.0.0.1:$mqtt_certificates_port']" >>"$instance/identity.yaml"
  # The users as they are now, and the devices that are there.
  { cat "$data/users"; grep -sv '^millrace-' "$devices/passwords"; } >"$devices/passwords.new"
  mv "$devices/passwords.new" "$devices/passwords"
  [[ -s $devices/revoked.pem ]] || mosquitto_no_devices "$devices" 2>>"$(log_file mosquitto)"
)

# mosquitto_no_devices DIRECTORY: an authority, whose key nobody has, and what it has revoked.
mosquitto_no_devices() {
  local work
  work=$(mktemp -d)
  : >"$work/index"
  printf '[ca]\ndefault_ca = it\n[it]\ndatabase = %s\ndefault_md = sha256\n' "$work/index" >"$work/config"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=no devices yet' -keyout "$work/key" -out "$1/devices.pem" &&
    openssl ca -gencrl -config "$work/config" -cert "$1/devices.pem" -keyfile "$work/key" -crldays 3650 -out "$work/revoked.pem" &&
    mv "$work/revoked.pem" "$1/revoked.pem" && rm -rf "$work"
}

mosquitto_command() {
  # One descriptor for each device. A hard limit below this is kept as it is.
  ulimit -n 65535 2>/dev/null || ulimit -n "$(ulimit -Hn)"
  # Ahead of what comes after it: what cannot be done at once then waits in Kafka, not in the broker's memory (docs/adr/0010-broker-first.md).
  command=("$stack/ahead" "$(mosquitto_program)" -c "$instance/data/mosquitto/mosquitto.conf")
}

# A connection, a subscription and a retained message.
mosquitto_ready() {
  XDG_CONFIG_HOME=$instance/data/mosquitto/client mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -t "\$SYS/broker/version" -C 1 -W 2 >/dev/null 2>&1
}

mosquitto_stop() { kill -TERM "$1"; }
mosquitto_kill() { kill -KILL "$1"; }
