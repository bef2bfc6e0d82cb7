#!/usr/bin/env bash
# Sees to it that the tests of deploy/ find nginx, Caddy and systemd-analyze:
# tests/deploy/programs.py looks in the same places. The two servers are unpacked
# beside the environment and not installed: Debian's packages would start them and
# open port 80 of this machine to everybody.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/messages.sh

folder=$PWD/.venv/debian

runs() { # program, an option that does nothing
  local place
  for place in "$(command -v "$1" || true)" "/usr/sbin/$1" "$folder/usr/sbin/$1" "$folder/usr/bin/$1"; do
    if [ -x "$place" ] && "$place" "$2" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

look() { # what is missing, by the names of Debian's packages
  missing=()
  runs nginx -v || missing+=(nginx)
  runs caddy version || missing+=(caddy)
  runs systemd-analyze --version || missing+=(systemd)
}

unpack() { # a package of Debian into the folder, without installing it
  local fetched
  fetched=$(mktemp -d)
  # apt compares what it fetches with the signed index of the archive.
  if (cd "$fetched" && { apt-get download -q "$1" ||
    { may_install && apt-get update -q && apt-get download -q "$1"; }; }) >/dev/null 2>&1; then
    mkdir -p "$folder"
    dpkg-deb -x "$fetched"/"$1"_*.deb "$folder"
  fi
  rm -rf "$fetched"
}

look
[ ${#missing[@]} = 0 ] && exit 0
say "$(t "Fetching ${missing[*]} for the tests of deploy/ …" "Für die Tests von deploy/ wird geholt: ${missing[*]} …")"
for name in "${missing[@]}"; do
  case $name in
    # Starts nothing: it is there on every Debian that is not a container.
    systemd) if may_install; then debian_install systemd || true; fi ;;
    *) if command -v apt-get >/dev/null 2>&1; then unpack "$name"; fi ;;
  esac
done
look
[ ${#missing[@]} = 0 ] && exit 0
say "$(t "Missing for the tests of deploy/: ${missing[*]}. On Debian or Ubuntu: sudo apt install ${missing[*]}" \
  "Für die Tests von deploy/ fehlt: ${missing[*]}. Debian/Ubuntu: sudo apt install ${missing[*]}")"
exit 1
