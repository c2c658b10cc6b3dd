#!/usr/bin/env bash
# Install redis-server with apt, for the tests that want a real one. Only root, or whom sudo asks for no password, can.
# On other systems install it by hand; with it on the PATH there is nothing to do here.
set -euo pipefail

command -v redis-server >/dev/null && exit 0
command -v apt-get >/dev/null || { echo "[redis] no apt-get here: install redis-server by hand" >&2; exit 1; }
as_root=(env)
[[ "$(id -u)" == 0 ]] || as_root=(sudo -n)
apt() {
  "${as_root[@]}" DEBIAN_FRONTEND=noninteractive timeout "$1" apt-get -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=30 "${@:2}" </dev/null >/dev/null
}
apt 120 --download-only install redis-server || { apt 120 update && apt 120 --download-only install redis-server; }
apt 300 --no-download install redis-server
command -v redis-server
