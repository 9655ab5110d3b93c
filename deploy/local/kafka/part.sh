# shellcheck shell=bash
# Kafka: one KRaft node that is broker and controller.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

kafka_ports=("$kafka_port" "$kafka_controller_port")
kafka_port_settings=(MILLRACE_KAFKA_PORT MILLRACE_KAFKA_CONTROLLER_PORT)
kafka_address=127.0.0.1:$kafka_port

kafka_prepare() {
  local data=$instance/data/kafka properties=$instance/data/kafka.properties
  {
    cat "$stack/kafka/server.properties"
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    printf 'listeners=PLAINTEXT://127.0.0.1:%s,CONTROLLER://127.0.0.1:%s\n' "$kafka_port" "$kafka_controller_port"
    if [[ ${MILLRACE_KAFKA_ADVERTISED_PORT-} ]]; then
      printf 'advertised.listeners=PLAINTEXT://127.0.0.1:%s\n' "$MILLRACE_KAFKA_ADVERTISED_PORT"
    fi
    printf 'controller.quorum.voters=1@127.0.0.1:%s\n' "$kafka_controller_port"
    printf 'log.dirs=%s\n' "$data"
  } >"$properties"
  if ! [[ -f $data/meta.properties ]]; then
    # 16 random bytes in base64 are what a cluster ID is; + and / are not in its alphabet.
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
    rm -rf "$data"
    java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$cache/kafka/*" \
      "-Dlog4j2.configurationFile=$stack/kafka/log4j2.properties" \
      kafka.tools.StorageTool format -t "$id" -c "$properties" >>"$(log_file kafka)" 2>&1 || return 1
  fi
}

# The serial collector: a million records of 280 bytes, produced and consumed, cost 10.8 s of CPU with it, 10.3 s with
# the parallel one, 11.5 s with G1, which also takes 130 MB more.
kafka_command() {
  command=(java -Xms512m -Xmx512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true
    -Djava.net.preferIPv4Stack=true "-Dlog4j2.configurationFile=$stack/kafka/log4j2.properties"
    -cp "$cache/kafka/*" kafka.Kafka "$instance/data/kafka.properties")
}

# Asks for metadata (API 3, version 1, no topics) and looks at the number of brokers in the answer: the port opens a
# moment before the broker is in the cluster's metadata, and until then topics cannot be created.
kafka_ready() {
  local answer
  answer=$(
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$kafka_port" || exit 1
    printf '\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\0\0\0\0' >&3
    timeout 2 head -c 12 <&3 | od -An -v -tx1 | tr -d ' \n'
  ) || return 1
  # length (4 bytes), correlation ID 1, number of brokers
  [[ $answer =~ ^[0-9a-f]{8}00000001(0000000[1-9])$ ]]
}

kafka_stop() { kill -TERM "$1"; }
kafka_kill() { kill -KILL "$1"; }
