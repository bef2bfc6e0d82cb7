#!/usr/bin/env bash
# Puts Fedify and its own Node into build/interop, as package-lock.json pins them.
# One line and exit 1 if npm or the network is missing; free if it is up to date.
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$source/../../../build/interop
stamp=$target/installed
log=$target/install.log

fail() { echo "make interop: $1" >&2; exit 1; }

mkdir -p "$target"
wanted=$(cat "$source/package-lock.json" "$source/package.json" | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  command -v npm >/dev/null || fail "npm is missing (Debian, Ubuntu: apt install npm)"
  rm -rf "$stamp" "$target/node_modules"
  cp "$source/package.json" "$source/package-lock.json" "$target"
  cp "$source/npmrc" "$target/.npmrc"
  (cd "$target" && npm ci --loglevel error) >"$log" 2>&1 ||
    fail "npm could not install Fedify, is there a network? See build/interop/install.log"
  echo "$wanted" >"$stamp"
fi
cp "$source"/*.mjs "$target"

# The Node that is pinned for this platform, else one that is new enough.
for node in "$target"/node_modules/node-*/bin/node "$(command -v node || true)"; do
  if [ -x "$node" ] && "$node" -e 'process.exit(parseInt(process.versions.node) < 22 ? 1 : 0)' 2>/dev/null; then
    echo "$node" >"$target/node-path"
    exit 0
  fi
done
fail "Node 22 or newer is missing for this platform"
