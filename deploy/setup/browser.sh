#!/usr/bin/env bash
# Sees to it that the browser tests find a Chromium: tests/conftest.py looks for
# the same names. Installs Debian's package where this account may.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/messages.sh

present() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

present && exit 0
if may_install; then
  say "$(t "Installing Chromium for the browser tests …" "Chromium für die Browsertests wird installiert …")"
  # Without a font every screenshot shows empty boxes.
  debian_install chromium fonts-liberation && present && exit 0
fi
say "$(t "Chromium is missing for the browser tests. On Debian or Ubuntu: sudo apt install chromium" \
  "Für die Browsertests fehlt Chromium. Debian/Ubuntu: sudo apt install chromium")"
exit 1
