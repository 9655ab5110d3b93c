# shellcheck shell=bash
# Debian packages, for root or whoever may use sudo without a password. Sourced by install and install-timescaledb.

as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

may_become_root() {
  ((EUID == 0)) || sudo -n true 2>/dev/null
}

# install_packages PACKAGE...: installs them without starting the servers among them, whose place is on our own ports
# with our own data: policy-rc.d refuses the start, and no cluster is created where PostgreSQL was not there before.
install_packages() (
  policy=/usr/sbin/policy-rc.d
  cluster=/etc/postgresql-common/createcluster.d/millrace.conf
  remove=()
  # shellcheck disable=SC2317 # called by the trap
  restore() { if ((${#remove[@]})); then as_root rm -f "${remove[@]}"; fi; }
  trap restore EXIT
  if ! [[ -e $policy ]]; then
    remove+=("$policy")
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  if ! [[ -e $cluster ]]; then
    remove+=("$cluster")
    as_root mkdir -p "$(dirname "$cluster")"
    printf 'create_main_cluster = false\n' | as_root tee "$cluster" >/dev/null
  fi
  # Someone else may be installing something at this moment.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
)
