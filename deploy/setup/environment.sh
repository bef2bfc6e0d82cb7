#!/usr/bin/env bash
# Makes .venv from a lock file and installs the project into it.
#
#   deploy/setup/environment.sh runtime   what a node needs
#   deploy/setup/environment.sh dev       also PostgreSQL, tests and tools
#
# Settings: PYTHON=… chooses the interpreter, WHEELS=dir installs from a folder
# of wheels without a network, SETUP_STEPS=5 is the number after the slash.
# Runs again at no cost: a stamp in .venv holds what it was made from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/messages.sh

kind=${1:-runtime}
steps=${SETUP_STEPS:-2}
venv=.venv
stamp=$venv/spalier-setup
log=$venv/setup.log
case $kind in
  runtime) lock=requirements.lock ;;
  dev) lock=requirements-dev.lock ;;
  *) echo "usage: environment.sh runtime|dev" >&2; exit 2 ;;
esac

# Everything the environment depends on. The path is part of it: scripts in a
# virtual environment name their interpreter by its absolute path.
wanted() { echo "$1 $PWD $(cat "$2" pyproject.toml | cksum | tr ' ' -)"; }

up_to_date() {
  [ -x $venv/bin/spalier ] && [ -f $stamp ] || return 1
  grep -qxF "$(wanted "$kind" "$lock")" $stamp && return 0
  # The dev lock pins the same versions as the runtime lock and more.
  [ "$kind" = runtime ] && grep -qxF "$(wanted dev requirements-dev.lock)" $stamp
}

usable() { # a Python of at least 3.11
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

complete() { # one that can make environments: Debian ships ensurepip apart
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

version_of() {
  "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

find_python() {
  python='' incomplete='' found=''
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if usable "$candidate"; then
      if complete "$candidate"; then python=$candidate; return; fi
      incomplete=${incomplete:-$candidate}
    elif command -v "$candidate" >/dev/null 2>&1; then
      found=${found:-$(version_of "$candidate" || true)}
    fi
  done
}

install_python() {
  local package=python3-venv
  if [ -n "$incomplete" ]; then
    package=python$("$incomplete" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
  fi
  if may_install; then
    debian_install "$package" || debian_install python3-venv || true
    find_python
  fi
  [ -n "$python" ] && return
  if [ -n "$incomplete" ]; then
    say "$(step 1) $(t "$incomplete cannot make environments: the package $package is missing. On Debian or Ubuntu: sudo apt install $package" \
      "$incomplete kann keine Umgebung anlegen: Das Paket $package fehlt. Debian/Ubuntu: sudo apt install $package")"
  else
    say "$(step 1) $(t "Python 3.11 or newer is missing (found: ${found:-none}). On Debian or Ubuntu: sudo apt install python3 python3-venv" \
      "Python 3.11 oder neuer fehlt (gefunden: ${found:-keines}). Debian/Ubuntu: sudo apt install python3 python3-venv")"
  fi
  exit 1
}

# Counts the packages while pip works through the lock. Only a terminal gets
# the moving line.
show_progress() {
  local total=$1 done_count=0 line
  while IFS= read -r line; do
    printf '%s\n' "$line" >>$log
    case $line in
      Collecting* | "Requirement already satisfied"*) done_count=$((done_count + 1)) ;;
      Installing*) done_count=$total ;;
    esac
    if [ -t 1 ]; then
      printf '\r%s %s  %s  %d/%d %s ' "$(step 2)" "$(t "Environment $venv" "Umgebung $venv")" \
        "$(bar "$done_count" "$total")" "$done_count" "$total" "$(t packages Pakete)"
    fi
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

pip_install() {
  "$venv/bin/python" -m pip install --no-input --disable-pip-version-check \
    --progress-bar off --retries 2 --timeout "${PIP_DEFAULT_TIMEOUT:-15}" "$@" 2>&1
}

install_packages() {
  local total source=()
  total=$(grep -c '==' "$lock")
  if [ -n "${WHEELS:-}" ]; then source=(--no-index --find-links "$WHEELS"); fi
  # The lock is complete, so pip has nothing to resolve; `pip check` confirms it.
  # Joined by && because the caller asks for the outcome, which turns off set -e.
  pip_install --no-deps --require-hashes "${source[@]}" -r "$lock" |
    show_progress "$total" &&
    pip_install --no-deps --no-build-isolation --no-index -e . >>$log &&
    "$venv/bin/python" -m pip check --disable-pip-version-check >>$log 2>&1
}

report_failure() {
  say "$(step 2) $(t "The packages could not be installed:" "Die Pakete konnten nicht installiert werden:")"
  grep -E '^ *(ERROR|error)' $log | tail -n 2 | sed 's/^ */      /'
  say "      $(t "Behind a proxy?    export HTTPS_PROXY=http://proxy.example:3128" \
    "Hinter einem Proxy?  export HTTPS_PROXY=http://proxy.example:3128")"
  say "      $(t "Without a network? make setup WHEELS=/path/to/wheels" \
    "Ohne Netz?           make setup WHEELS=/pfad/zu/wheels")"
  say "      $(t "Full log: $log" "Ganzes Protokoll: $log")"
  exit 1
}

if up_to_date; then
  ok 1 "$(t "Python $(version_of $venv/bin/python) found" "Python $(version_of $venv/bin/python) gefunden")"
  ok 2 "$(t "Environment $venv is there" "Umgebung $venv schon da")"
  exit 0
fi

find_python
[ -n "$python" ] || install_python
ok 1 "$(t "Python $(version_of "$python") found" "Python $(version_of "$python") gefunden")"

# An environment of another folder or of a Python that is gone cannot be mended.
if [ -e $venv ] && ! { "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
  grep -qF "VIRTUAL_ENV=" $venv/bin/activate 2>/dev/null &&
  grep -qF "$PWD/$venv" $venv/bin/activate; }; then
  rm -rf $venv
fi
[ -e $venv ] || "$python" -m venv $venv
rm -f $stamp
: >$log
started=$SECONDS
install_packages || report_failure
wanted "$kind" "$lock" >$stamp
ok 2 "$(t "Environment $venv: $(grep -c '==' "$lock") packages, $((SECONDS - started)) s" \
  "Umgebung $venv: $(grep -c '==' "$lock") Pakete, $((SECONDS - started)) s")"
