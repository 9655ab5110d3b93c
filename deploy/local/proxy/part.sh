# shellcheck shell=bash
# What is before the schema registry of a secured instance: nginx, with TLS and a password.
# shellcheck disable=SC2034,SC2154 # settings.sh gives and start reads the variables

proxy_ports=("$registry_port")
proxy_port_settings=(MILLRACE_REGISTRY_PORT)
proxy_address=https://127.0.0.1:$registry_port/apis/ccompat/v7

# Debian puts it where only root's PATH looks.
nginx_program() { PATH=$PATH:/usr/sbin command -v nginx; }

proxy_prepare() {
  local data=$instance/data/proxy
  (
    umask 077
    mkdir -p "$data"
    sed "s|DATA|$data|g; s|CERTIFICATES|$certificates|g; s|PORT|$registry_port|; s|BEHIND|$registry_internal_port|" "$stack/proxy/nginx.conf" |
      { if ((EUID == 0)); then printf 'user root;\n'; fi; cat; } >"$data/nginx.conf"
    printf 'millrace:%s\n' "$(openssl passwd -apr1 -stdin <"$passwords/registry")" >"$data/users"
  )
  "$(nginx_program)" -t -q -c "$data/nginx.conf" >>"$(log_file proxy)" 2>&1
}

proxy_command() { command=("$(nginx_program)" -c "$instance/data/proxy/nginx.conf"); }

# A request without a password: that the registry behind it answers is its own part's to say.
proxy_ready() {
  [[ $(curl -sS -m 2 -o /dev/null -w '%{http_code}' --cacert "$certificates/ca.pem" "$proxy_address/" 2>/dev/null) == 401 ]]
}

# Requests that are under way end first.
proxy_stop() { kill -QUIT "$1"; }
proxy_kill() {
  local children
  mapfile -t children < <(pgrep -P "$1")
  kill -KILL "$1" "${children[@]}"
}
