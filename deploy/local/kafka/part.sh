# shellcheck shell=bash
# Kafka: KRaft nodes that are broker and controller, each of them a part. The parts kafka, kafka2 and kafka3 are the nodes 1, 2 and 3.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

kafka_keystore=$instance/data/kafka.keystore.pem

# kafka_define PART: what start, stop and status call, for this broker.
kafka_define() {
  local -n ports=${1}_ports settings=${1}_port_settings address=${1}_address
  ports=("${kafka_port[$1]}" "${kafka_controller_port[$1]}")
  settings=("MILLRACE_${1^^}_PORT" "MILLRACE_${1^^}_CONTROLLER_PORT")
  if [[ $secure == yes ]] || ((kafka_nodes == 3)); then
    ports+=("${kafka_internal_port[$1]}")
    settings+=("MILLRACE_${1^^}_INTERNAL_PORT")
  fi
  address=127.0.0.1:${kafka_port[$1]}
  eval "${1}_prepare() { kafka_prepare_node $1; }
    ${1}_command() { kafka_command_of $1; }
    ${1}_ready() { kafka_node_ready $1; }
    ${1}_stop() { kill -TERM \"\$1\"; }
    ${1}_kill() { kill -KILL \"\$1\"; }"
}
for kafka_part in "${kafka_parts[@]}"; do kafka_define "$kafka_part"; done

# kafka_node PART: its number.
kafka_node() {
  local number=${1#kafka}
  printf '%s\n' "${number:-1}"
}

kafka_prepare_node() {
  local part=$1 data=$instance/data/$1 properties=$instance/data/$1.properties
  {
    cat "$stack/kafka/server.properties"
    if ((kafka_nodes == 3)); then cat "$stack/kafka/replicated.properties"; fi
    printf '\n# From here on written by deploy/local/start for this instance.\n'
    printf 'node.id=%s\n' "$(kafka_node "$part")"
    kafka_listeners "$part"
    kafka_voters
    printf 'log.dirs=%s\n' "$data"
  } >"$properties"
  if ! [[ -f $data/meta.properties ]]; then
    local id
    id=$(kafka_cluster_id)
    # Not the folder itself, which may be a link to another disk.
    mkdir -p "$data"
    find "$data/" -mindepth 1 -delete
    if [[ $secure == yes ]]; then
      kafka_format_secured "$id" "$properties" "$part" || return 1
    else
      java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$cache/kafka/*" \
        "-Dlog4j2.configurationFile=$stack/kafka/log4j2.properties" \
        kafka.tools.StorageTool format -t "$id" -c "$properties" >>"$(log_file "$part")" 2>&1 || return 1
    fi
  fi
  chmod 700 "$data"
}

# The same for all brokers, and for one that lost its data.
kafka_cluster_id() (
  flock 8
  # 16 random bytes in base64 are what a cluster ID is; + and / are not in its alphabet.
  if ! [[ -s $instance/data/kafka.cluster ]]; then
    head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=' >"$instance/data/kafka.cluster"
  fi
  cat "$instance/data/kafka.cluster"
) 8>"$instance/pid/kafka-cluster.lock"

kafka_voters() {
  local part voters=()
  for part in "${kafka_parts[@]}"; do voters+=("$(kafka_node "$part")@127.0.0.1:${kafka_controller_port[$part]}"); done
  (IFS=, && printf 'controller.quorum.voters=%s\n' "${voters[*]}")
}

# kafka_listeners PART: one for controllers, one for clients and, if the instance is secured or has several brokers, one for brokers. In a secured
# instance clients come with a password over TLS; the brokers themselves, and `start`, with the servers' certificate.
kafka_listeners() {
  local advertised=MILLRACE_${1^^}_ADVERTISED_PORT internal=MILLRACE_${1^^}_INTERNAL_ADVERTISED_PORT clients=PLAINTEXT brokers=
  if [[ $secure == yes ]]; then
    clients=CLIENTS
    (umask 077 && cat "$certificates/server.key" "$certificates/server.pem" "$certificates/issuer.pem" >"$kafka_keystore")
    cat "$stack/kafka/secure.properties"
    printf 'ssl.keystore.location=%s\nssl.truststore.location=%s\n' "$kafka_keystore" "$certificates/ca.pem"
  elif ((kafka_nodes == 3)); then
    printf 'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\ninter.broker.listener.name=INTERNAL\n'
  fi
  if [[ $secure == yes ]] || ((kafka_nodes == 3)); then brokers=,INTERNAL://127.0.0.1; fi
  printf 'listeners=%s://127.0.0.1:%s%s,CONTROLLER://127.0.0.1:%s\n' \
    "$clients" "${kafka_port[$1]}" "${brokers:+$brokers:${kafka_internal_port[$1]}}" "${kafka_controller_port[$1]}"
  printf 'advertised.listeners=%s://127.0.0.1:%s%s\n' \
    "$clients" "${!advertised:-${kafka_port[$1]}}" "${brokers:+$brokers:${!internal:-${kafka_internal_port[$1]}}}"
}

# kafka_format_secured ID PROPERTIES PART: with the users, who must be there before the first start. The passwords are in a file of arguments, for a
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
  java "@$arguments" >/dev/null 2>>"$(log_file "$3")" || code=1
  rm -f "$arguments"
  return "$code"
}

# The serial collector: a million records of 280 bytes, produced and consumed, cost 10.8 s of CPU with it, 10.3 s with
# the parallel one, 11.5 s with G1, which also takes 130 MB more.
kafka_command_of() {
  local heap=512m
  # Each has a third of the clients' work, and that of two copies.
  if ((kafka_nodes == 3)); then heap=320m; fi
  command=(java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true
    -Djava.net.preferIPv4Stack=true "-Dlog4j2.configurationFile=$stack/kafka/log4j2.properties"
    -cp "$cache/kafka/*" kafka.Kafka "$instance/data/$1.properties")
}

# Asks for metadata (API 3, version 1, no topics) and looks for the broker itself among the brokers of the answer: the port opens a
# moment before the broker is in the cluster's metadata, and until then topics cannot be created.
kafka_node_ready() {
  local brokers each='([0-9a-f]{8}00093132372e302e302e31[0-9a-f]{8}ffff)'
  brokers=$(
    exec 2>/dev/null
    if [[ $secure == yes ]]; then kafka_answer_secured "$1"; else kafka_answer "$1"; fi
  ) || return 1
  [[ $brokers =~ ^$each*$(printf '%08x' "$(kafka_node "$1")")0009 ]]
}

kafka_metadata_request() { printf '\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\0\0\0\0'; }

# kafka_read_brokers: of each broker of the answer its number, its host (127.0.0.1, after its length), its port, and that it has no rack; in hexadecimal.
kafka_read_brokers() {
  local head
  # length (4 bytes), correlation ID 1, number of brokers
  head=$(timeout 2 head -c 12 | od -An -v -tx1 | tr -d ' \n')
  [[ $head =~ ^[0-9a-f]{8}00000001(0000000[1-9])$ ]] || return 1
  timeout 2 head -c $((21 * 16#${BASH_REMATCH[1]})) | od -An -v -tx1 | tr -d ' \n'
}

kafka_answer() {
  exec 3<>"/dev/tcp/127.0.0.1/${kafka_port[$1]}" || exit 1
  kafka_metadata_request >&3
  kafka_read_brokers <&3
}

kafka_answer_secured() {
  # Not the other way round: openssl stays until its time is over.
  kafka_read_brokers < <(
    kafka_metadata_request | timeout 2 openssl s_client -quiet -verify_return_error -connect "127.0.0.1:${kafka_internal_port[$1]}" \
      -CAfile "$certificates/ca.pem" -cert "$certificates/server.pem" -key "$certificates/server.key"
  )
}
