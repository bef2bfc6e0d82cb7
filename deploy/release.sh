#!/usr/bin/env bash
# Versions of Spalier side by side on a server, and which of them is used.
#
#   deploy/release.sh install [--postgres]   make this checkout a release; prints its name
#   deploy/release.sh use RELEASE            from now on this one (restart the nodes)
#   deploy/release.sh list                   all of them; * is the one in use
#   deploy/release.sh remove RELEASE         one that is not in use
#
# A release is a virtual environment of its own that nothing changes afterwards, so the
# way back is the way there: use the old one. Settings: PREFIX=/opt/spalier,
# PYTHON=python3, WHEELS=dir installs from a folder of wheels without a network.
set -euo pipefail
# Nodes run as other accounts than the one that installs.
umask 022
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prefix=${PREFIX:-/opt/spalier}
python=${PYTHON:-python3}

fail() { printf '%s\n' "$*" >&2; exit 1; }

name_of_checkout() { # version and commit, for example 0.1.0-8bdaf86
  local version commit=''
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$checkout/pyproject.toml")
  if [ -e "$checkout/.git" ]; then
    # Root may read a checkout of somebody else.
    commit=-$(git -c safe.directory="$checkout" -C "$checkout" rev-parse --short HEAD)
  fi
  printf '%s%s' "$version" "$commit"
}

in_use() { # its name; nothing if there is none
  if [ -L "$prefix/current" ]; then basename "$(readlink "$prefix/current")"; fi
}

is_release() {
  [[ $1 != */* && $1 != .* ]] && [ -x "$prefix/releases/$1/bin/spalier" ]
}

install_release() {
  local name lock=requirements.lock source=() new copy
  name=$(name_of_checkout)
  case ${1:-} in
    '') ;;
    --postgres) lock=requirements-postgres.lock name+=-postgres ;;
    *) fail "There is no option $1." ;;
  esac
  new=$prefix/releases/$name
  if is_release "$name"; then
    printf '%s\n' "$name"
    return
  fi
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed: $("$python" --version 2>&1)"
  if [ -n "${WHEELS:-}" ]; then source=(--no-index --find-links "$WHEELS"); fi
  # Scripts in an environment name it by its path, so it is made where it stays. The
  # program comes last: what was broken off has none, and is made anew.
  rm -rf "$new"
  mkdir -p "$prefix/releases"
  "$python" -m venv "$new"
  "$new/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --no-deps --require-hashes "${source[@]}" --requirement "$checkout/$lock" >&2
  # Built from a copy: the checkout stays as it is, whoever it belongs to.
  copy=$(mktemp -d)
  # shellcheck disable=SC2064 # its name now; the variable is gone by then
  trap "rm -rf '$copy'" EXIT
  (cd "$checkout" && cp -R pyproject.toml README.md LICENSE node federation schemas admin_ui "$copy")
  "$new/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --no-deps --no-build-isolation --no-index "$copy" >&2
  "$new/bin/python" -m pip check --disable-pip-version-check >&2 ||
    { rm -f "$new/bin/spalier"; fail "$name is not complete; nothing was changed."; }
  printf '%s\n' "$name"
}

use_release() {
  is_release "$1" || fail "There is no release $1: deploy/release.sh list"
  # In one step: a node that starts now finds the old one or the new one.
  ln -sfn "releases/$1" "$prefix/current.new"
  mv -T "$prefix/current.new" "$prefix/current"
  printf '%s\n' "$1"
}

list_releases() {
  local folder name mark
  for folder in "$prefix"/releases/*/; do
    name=$(basename "$folder")
    is_release "$name" || continue
    mark=' '
    if [ "$name" = "$(in_use)" ]; then mark='*'; fi
    printf '%s %s\n' "$mark" "$name"
  done
}

remove_release() {
  is_release "$1" || fail "There is no release $1: deploy/release.sh list"
  [ "$1" != "$(in_use)" ] || fail "$1 is in use."
  rm -rf "$prefix/releases/$1"
}

case "${1:-}:$#" in
  install:1 | install:2) install_release "${2:-}" ;;
  use:2) use_release "$2" ;;
  list:1) list_releases ;;
  remove:2) remove_release "$2" ;;
  *) sed -n '4,7s/^# *//p' "$0" >&2; exit 2 ;;
esac
