#!/usr/bin/env bash
# Make .venv and install the bridge with the extras named as arguments, at the versions of constraints.txt.
# A second run with nothing changed does nothing. PYTHON=... chooses the interpreter, VENV=... another place than .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest="3.11"
venv="${VENV:-.venv}"
constraints="deploy/constraints.txt"

say() { printf '[setup] %s\n' "$*" >&2; }
fail() {
  printf '[setup] %s\n' "$@" >&2
  exit 1
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
  local candidate without_venv=""
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    command -v "$candidate" >/dev/null && new_enough "$candidate" || continue
    if has_venv "$candidate"; then
      command -v "$candidate"
      return
    fi
    without_venv="$candidate"
  done
  if [[ -n "$without_venv" ]]; then
    local version
    version="$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    fail "$without_venv is here, but its venv or ensurepip module is not." \
      "On Debian and Ubuntu: sudo apt install python$version-venv"
  fi
  fail "Python $oldest or newer is needed, and ${PYTHON:-no python3} is not it." \
    "On Debian and Ubuntu: sudo apt install python3 python3-venv. Elsewhere: https://www.python.org/downloads/" \
    "If it is installed under another name: make setup PYTHON=/path/to/python3"
}

# One short line for each package that pip fetches; everything else only if it goes wrong.
progress() {
  awk '
    /^ *Downloading / { sub(/^ */, ""); name = $2; sub(/.*\//, "", name); sub(/-[0-9].*/, "", name); size = ""
                        if (match($0, /\([^()]*B\)/)) size = substr($0, RSTART, RLENGTH)
                        printf "        %s %s\n", name, size; fflush(); next }
    /^Installing collected packages/ { n = split($0, all, ","); printf "        unpacking %d packages\n", n; fflush(); next }
    /^(ERROR|error)/ { print; fflush() }' >&2
}

extras="$(printf '%s\n' "$@" | sort | paste -sd, -)"
stamp="$venv/.installed-${extras:-plain}"
wanted="$(cat pyproject.toml "$constraints" deploy/setup.sh | cksum) $extras"
if [[ -x "$venv/bin/bridge" && -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]]; then
  exit 0
fi

if [[ ! -x "$venv/bin/python" ]] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null || ! new_enough "$venv/bin/python"; then
  python="$(find_python)"
  say "making $venv with $("$python" --version) ($python)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi

if [[ -n "$extras" ]]; then
  say "installing the bridge with $extras; the first time this downloads some hundred megabytes"
else
  say "installing the bridge; the first time this downloads about 250 MB"
fi
log="$venv/install.log"
if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
  -c "$constraints" -e ".${extras:+[$extras]}" 2>&1 | tee "$log" | progress; then
  tail -n 15 "$log" >&2
  fail "The installation failed; all of it is in $log." \
    "Without a network nothing can be fetched; behind a proxy or mirror set HTTPS_PROXY or PIP_INDEX_URL."
fi
case " $* " in *" dev "*)
  command -v redis-server >/dev/null || say "no redis-server here: the tests that need one are skipped (make redis)"
  ;;
esac
printf '%s' "$wanted" >"$stamp"
say "ready: $venv/bin/bridge --help"
