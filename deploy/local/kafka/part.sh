# shellcheck shell=bash
# Kafka: one KRaft node that is broker and controller.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

kafka_ports=("$kafka_port" "$kafka_controller_port")
kafka_port_settings=(MILLRACE_KAFKA_PORT MILLRACE_KAFKA_CONTROLLER_PORT)
if [[ $secure == yes ]]; then
  kafka_ports+=("$kafka_internal_port")
  kafka_port_settings+=(MILLRACE_KAFKA_INTERNAL_PORT)
fi
kafka_keystore=$instance/data/kafka.keystore.pem
kafka_address=127.0.0.1:$kafka_port

kafka_prepare() {
  local data=$instance/data/kafka properties=$instance/data/kafka.properties
  {
    cat "$stack/kafka/server.properties"
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    if [[ $secure == yes ]]; then kafka_secured; else kafka_plain; fi
    printf 'controller.quorum.voters=1@127.0.0.1:%s\n' "$kafka_controller_port"
    printf 'log.dirs=%s\n' "$data"
  } >"$properties"
  if ! [[ -f $data/meta.properties ]]; then
    # 16 random bytes in base64 are what a cluster ID is; + and / are not in its alphabet.
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
    rm -rf "$data"
    if [[ $secure == yes ]]; then
      kafka_format_secured "$id" "$properties" || return 1
    else
      java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$cache/kafka/*" \
        "-Dlog4j2.configurationFile=$stack/kafka/log4j2.properties" \
        kafka.tools.StorageTool format -t "$id" -c "$properties" >>"$(log_file kafka)" 2>&1 || return 1
    fi
  fi
  chmod 700 "$data"
}

kafka_plain() {
  printf 'listeners=PLAINTEXT://127.0.0.1:%s,CONTROLLER://127.0.0.1:%s\n' "$kafka_port" "$kafka_controller_port"
  if [[ ${MILLRACE_KAFKA_ADVERTISED_PORT-} ]]; then
    printf 'advertised.listeners=PLAINTEXT://127.0.0.1:%s\n' "$MILLRACE_KAFKA_ADVERTISED_PORT"
  fi
}

# Clients come with a password over TLS; the broker itself, and `start`, with the servers' certificate.
kafka_secured() {
  (umask 077 && cat "$certificates/server.key" "$certificates/server.pem" "$certificates/issuer.pem" >"$kafka_keystore")
  cat "$stack/kafka/secure.properties"
  printf 'listeners=CLIENTS://127.0.0.1:%s,INTERNAL://127.0.0.1:%s,CONTROLLER://127.0.0.1:%s\n' "$kafka_port" "$kafka_internal_port" "$kafka_controller_port"
  printf 'advertised.listeners=CLIENTS://127.0.0.1:%s,INTERNAL://127.0.0.1:%s\n' "${MILLRACE_KAFKA_ADVERTISED_PORT:-$kafka_port}" "$kafka_internal_port"
  printf 'ssl.keystore.location=%s\nssl.truststore.location=%s\n' "$kafka_keystore" "$certificates/ca.pem"
}

# kafka_format_secured ID PROPERTIES: with the users, who must be there before the first start. The passwords are in a file of arguments, for a
# command line is everybody's to read. What the tool says has the users' keys in it.
kafka_format_secured() {
  local arguments user code=0
  arguments=$(umask 077 && mktemp)
  {
    printf '"%s"\n' -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$cache/kafka/*" "-Dlog4j2.configurationFile=$stack/kafka/log4j2.properties" \
      kafka.tools.StorageTool format -t "$1" -c "$2"
    for user in "${kafka_users[@]}"; do
      printf '"%s"\n' --add-scram "SCRAM-SHA-512=[name=millrace-$user,password=$(password "kafka-$user")]"
    done
  } >"$arguments"
  java "@$arguments" >/dev/null 2>>"$(log_file kafka)" || code=1
  rm -f "$arguments"
  return "$code"
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
    if [[ $secure == yes ]]; then kafka_answer_secured; else kafka_answer; fi | od -An -v -tx1 | tr -d ' \n'
  ) || return 1
  # length (4 bytes), correlation ID 1, number of brokers
  [[ $answer =~ ^[0-9a-f]{8}00000001(0000000[1-9])$ ]]
}

kafka_metadata_request() { printf '\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\0\0\0\0'; }

# The first 12 bytes.
kafka_answer() {
  exec 3<>"/dev/tcp/127.0.0.1/$kafka_port" || exit 1
  kafka_metadata_request >&3
  timeout 2 head -c 12 <&3
}

kafka_answer_secured() {
  # Not the other way round: openssl stays until its time is over.
  head -c 12 < <(
    kafka_metadata_request | timeout 2 openssl s_client -quiet -verify_return_error -connect "127.0.0.1:$kafka_internal_port" \
      -CAfile "$certificates/ca.pem" -cert "$certificates/server.pem" -key "$certificates/server.key"
  )
}

kafka_stop() { kill -TERM "$1"; }
kafka_kill() { kill -KILL "$1"; }
