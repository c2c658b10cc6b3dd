#!/usr/bin/env bash
# Run pytest with the given arguments on another Python than that of .venv: the newest or the oldest that is supported,
# whichever .venv is not. It is looked for on the PATH and in pyenv; where there is none, that is said and nothing fails.
set -euo pipefail
cd "$(dirname "$0")/.."

is() { "$1" -c "import ensurepip, sys; sys.exit(sys.version_info[:2] != ($(echo "$2" | tr . ,)))" 2>/dev/null; }
loudly() { printf '\n*** %s ***\n\n' "$@" >&2; }

wanted="3.13"
! is .venv/bin/python "$wanted" || wanted="3.11"
python=""
for candidate in "python$wanted" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$wanted"*/bin/python; do
  if is "$candidate" "$wanted"; then
    python="$candidate"
    break
  fi
done
if [[ -z "$python" ]]; then
  loudly "There is no Python $wanted here: nothing was tested on it."
  exit 0
fi
export VENV=".venv-$wanted"
if ! PYTHON="$python" deploy/setup.sh dev; then
  loudly "The bridge could not be installed on Python $wanted: nothing was tested on it. See $VENV/install.log."
  exit 0
fi
echo "on $("$VENV/bin/python" --version):"
exec "$VENV/bin/python" -m pytest "$@"
