# shellcheck shell=bash
# Prometheus, on request: scrapes the services of the configuration, with the rules of deploy/prometheus.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

prometheus_ports=("$prometheus_port")
prometheus_port_settings=(MILLRACE_PROMETHEUS_PORT)
prometheus_address=http://127.0.0.1:$prometheus_port

prometheus_prepare() {
  local data=$instance/data/prometheus
  mkdir -p "$data"
  prometheus_provision || return 1
  # Paths in it count from where it is.
  cp "$repository/deploy/prometheus/prometheus.yml" "$repository"/deploy/prometheus/*.rules.yml "$data/"
  promtool check config "$data/prometheus.yml" >>"$(log_file prometheus)" 2>&1
}

prometheus_command() {
  command=(prometheus "--config.file=$instance/data/prometheus/prometheus.yml" "--storage.tsdb.path=$instance/data/prometheus/series"
    --storage.tsdb.retention.time=7d "--web.listen-address=127.0.0.1:$prometheus_port")
}

prometheus_ready() { curl -fsS -m 2 -o /dev/null "$prometheus_address/-/ready" 2>/dev/null; }

# Prometheus reads the file again when it changes: so another configuration of the services counts after the next start.
prometheus_provision() {
  local targets=$instance/data/prometheus/targets.json
  "$repository/bin/millrace" watch --targets >"$targets.new" && mv "$targets.new" "$targets"
}

prometheus_stop() { kill -TERM "$1"; }
prometheus_kill() { kill -KILL "$1"; }
