#!/usr/bin/env bash
# Build the images of deploy/Dockerfile with podman and buildah, or docker, and try them.
#
#   deploy/images.sh build [gateway worker worker-gpu]    default: gateway and worker
#   deploy/images.sh try                                  gateway and worker, read-only and not root: one simulated call
#
# STAND_IN=1  the base image is made from Debian's packages (mmdebstrap): where no registry of images can be reached
# BASE=...    another base image; ENGINE=docker, EXTRAS=..., TORCH_INDEX=... as in the Dockerfile
# PIP_CONF=...  pip's settings for a build behind a mirror
set -euo pipefail
cd "$(dirname "$0")/.."

engine="${ENGINE:-$(command -v podman >/dev/null && echo podman || echo docker)}"
base="${BASE:-docker.io/library/python:3.13-slim-bookworm}"
if [[ -n "${STAND_IN:-}" ]]; then base="localhost/bridge-base:bookworm"; fi

stand_in() {
  [[ -n "${STAND_IN:-}" ]] || return 0
  podman image exists "$base" && return 0
  local archive
  archive="$(mktemp --suffix=.tar)"
  mmdebstrap --variant=minbase --mode=root --dpkgopt=force-unsafe-io \
    --include=ca-certificates,python3,python3-venv bookworm "$archive"
  podman import --quiet "$archive" "$base"
  rm -f "$archive"
}

build() {
  local target
  stand_in
  for target in "$@"; do
    local arguments=(--build-arg "BASE=$base" -f deploy/Dockerfile --target "$target" -t "localhost/bridge-$target")
    if [[ "$target" == worker* && -n "${EXTRAS:-}" ]]; then arguments+=(--build-arg "EXTRAS=$EXTRAS"); fi
    if [[ -n "${TORCH_INDEX:-}" ]]; then arguments+=(--build-arg "TORCH_INDEX=$TORCH_INDEX"); fi
    if [[ "$engine" == podman ]]; then
      # The builder's own certificates, for a mirror that is signed by an authority of one's own.
      arguments+=(-v /etc/ssl/certs:/etc/ssl/certs:ro --env PIP_CERT=/etc/ssl/certs/ca-certificates.crt)
      if [[ -n "${PIP_CONF:-}" ]]; then arguments+=(-v "$PIP_CONF:/etc/pip.conf:ro"); fi
      buildah bud --format docker --layers --isolation chroot --network host "${arguments[@]}" .
    else
      docker build "${arguments[@]}" .
    fi
  done
  "$engine" images --format '{{.Repository}} {{.Size}}' | grep '^localhost/bridge-'
}

# As Kubernetes runs them: nobody in particular, no capability, nothing written but under /var/lib/bridge and /tmp.
run() {
  local name="$1" options=()
  shift
  if [[ "$engine" == podman ]]; then options=(${PODMAN_OPTIONS:-}); fi
  "$engine" ${PODMAN_GLOBAL:-} run --detach --rm --name "$name" --network host --read-only --tmpfs /tmp \
    --cap-drop all --security-opt no-new-privileges "${options[@]}" "$@" >/dev/null
}

until_ready() {
  local url="$1" deadline=$((SECONDS + 120))
  until "$python" -c "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=2)" "$url" 2>/dev/null; do
    if ((SECONDS > deadline)); then
      echo "[images] $url is not ready after two minutes" >&2
      return 1
    fi
    sleep 0.5
  done
}

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

stop() {
  for name in bridge-try-gateway bridge-try-worker; do
    "$engine" logs --tail 20 "$name" 2>&1 | sed "s/^/[$name] /" >&2 || true
    "$engine" stop --time 40 "$name" >/dev/null 2>&1 || true
  done
  rm -rf "$folder"
}

try() {
  python=.venv/bin/python
  folder="$(mktemp -d)"
  trap stop EXIT
  local port_worker port_gateway began
  port_worker="$(free_port)" port_gateway="$(free_port)"
  cp -r fixtures/agents "$folder/agents"
  cat >"$folder/bridge.yaml" <<YAML
agent: {kind: script, file: agents/appointment.yaml}
speaking: {workers: ["ws://127.0.0.1:$port_worker"]}
YAML
  chmod -R a+rX "$folder"
  export BRIDGE_WORKER_TOKEN="try-$RANDOM" TWILIO_AUTH_TOKEN="try-$RANDOM" PUBLIC_URL=https://try.example.com
  local settings=(-v "$folder:/etc/bridge:ro" -e BRIDGE_WORKER_TOKEN -e TWILIO_AUTH_TOKEN -e PUBLIC_URL)
  began=$SECONDS
  run bridge-try-worker "${settings[@]}" localhost/bridge-worker \
    worker -c /etc/bridge/bridge.yaml --host 127.0.0.1 --port "$port_worker"
  until_ready "http://127.0.0.1:$port_worker/readyz"
  run bridge-try-gateway "${settings[@]}" localhost/bridge-gateway \
    serve -c /etc/bridge/bridge.yaml --host 127.0.0.1 --port "$port_gateway"
  until_ready "http://127.0.0.1:$port_gateway/readyz"
  echo "[images] both ready after $((SECONDS - began)) s; as whom they run, and whether they can write:"
  for name in bridge-try-worker bridge-try-gateway; do
    "$engine" ${PODMAN_GLOBAL:-} exec "$name" sh -c 'id -u; touch /etc/x 2>&1 || true'
  done
  .venv/bin/bridge call "$PUBLIC_URL/twilio/voice" --connect-to "http://127.0.0.1:$port_gateway" \
    -s fixtures/scenarios/appointment.yaml -o out/images
}

case "${1:-build}" in
  build) shift || true; if (($#)); then build "$@"; else build gateway worker; fi ;;
  try) try ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
