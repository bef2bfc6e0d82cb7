#!/usr/bin/env bash
# Writes package-lock.json from package.json: versions and hashes, no addresses.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json "$work"
cp npmrc "$work/.npmrc"
(cd "$work" && npm install --package-lock-only --loglevel error)
# Where to send money to is no part of a lock, and it is an address.
node -e '
  const { readFileSync, writeFileSync } = require("node:fs");
  const lock = JSON.parse(readFileSync(process.argv[1], "utf8"));
  for (const name of Object.keys(lock.packages)) {
    delete lock.packages[name].funding;
    delete lock.packages[name].resolved;
  }
  writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");
' "$work/package-lock.json"
