#!/usr/bin/env bash
# Runs all tests that must pass; the arguments go to pytest.
#
#   WORKERS=3 deploy/setup/tests.sh -k handshake
#
# The files share nothing, so they run side by side, in the order that
# tests/long_files_first.py gives them. The browser's tests share three real nodes and
# one browser: they run beside the others in a process of their own, and what that
# says is shown at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

log=build/browser/tests.txt
mkdir -p "$(dirname "$log")"

# A job of its own can be interrupted; any other background process ignores that.
set -m
.venv/bin/pytest -q tests/browser "$@" </dev/null >"$log" 2>&1 &
browser=$!
set +m
trap 'kill -INT "$browser" 2>/dev/null && wait "$browser" || true' EXIT

passed() { # a selection may leave one part empty: pytest's 5
  [ "$1" = 0 ] || { [ "$1" = 5 ] && [ "$2" -gt 0 ]; }
}

others=0 shown=0
.venv/bin/pytest -q -n "${WORKERS:-3}" --dist loadfile --no-loadscope-reorder \
  --ignore tests/browser tests "$@" || others=$?
# Interrupted: the trap ends the other part too.
[ "$others" != 2 ] || exit 2
wait "$browser" || shown=$?
cat "$log"
passed "$others" $# && passed "$shown" $#
