# shellcheck shell=bash
# The schema registry: Apicurio, which speaks the API of Confluent's registry below /apis/ccompat/v7.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

if [[ $secure == yes ]]; then
  # Behind its proxy, which asks for a password. Whoever is on this machine still reaches it here: on a server its port is behind a firewall.
  registry_listens=$registry_internal_port
  registry_port_settings=(MILLRACE_REGISTRY_INTERNAL_PORT)
else
  registry_listens=$registry_port
  registry_port_settings=(MILLRACE_REGISTRY_PORT)
fi
registry_ports=("$registry_listens")
registry_address=http://127.0.0.1:$registry_listens/apis/ccompat/v7

registry_prepare() { mkdir -p -m 700 "$instance/data/registry" && chmod 700 "$instance/data/registry"; }

registry_command() {
  # WRITE_DELAY=0: H2 otherwise writes a commit up to 500 ms late, and a schema ID that Kafka records already carry
  # could be handed out again after a SIGKILL.
  local database="jdbc:h2:file:$instance/data/registry/registry;WRITE_DELAY=0"
  # What comes is parsed in memory: a schema of 20 MB took all of the heap, which ends the registry, and one of 4 MB a minute of its CPU. The largest of ours has 14 KB.
  # C1 alone: half the start time and memory, and a registry is asked a few times a minute.
  command=(env
    QUARKUS_HTTP_HOST=127.0.0.1 "QUARKUS_HTTP_PORT=$registry_listens"
    APICURIO_STORAGE_KIND=sql APICURIO_STORAGE_SQL_KIND=h2 "APICURIO_DATASOURCE_URL=$database"
    QUARKUS_HTTP_LIMITS_MAX_BODY_SIZE=1M QUARKUS_LOG_LEVEL=WARN QUARKUS_HTTP_ACCESS_LOG_ENABLED=false
    java -Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError
    -Djava.net.preferIPv4Stack=true -jar "$cache"/registry/apicurio-registry-app-*-runner.jar)
}

registry_ready() { curl -fsS -m 2 -o /dev/null "$registry_address/subjects" 2>/dev/null; }

registry_stop() { kill -TERM "$1"; }
registry_kill() { kill -KILL "$1"; }
