#!/usr/bin/env bash
# Writes the three lock files from pyproject.toml: versions and hashes for every
# platform, no addresses. Arguments go to the resolver, for example
# `deploy/setup/lock.sh --upgrade` or `--upgrade-package aiohttp`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

resolve() { # output file, further arguments
  local output=$1
  shift
  # setuptools builds the project without isolation, so it is locked as well.
  echo 'setuptools>=80' | .venv/bin/uv pip compile --quiet --universal \
    --python-version 3.11 --generate-hashes --no-header --no-annotate \
    pyproject.toml - --output-file "$output" "$@"
}

resolve requirements.lock "$@"
# The others hold the versions of the first and add to them.
resolve requirements-postgres.lock --constraint requirements.lock --extra postgres "$@"
resolve requirements-dev.lock --constraint requirements-postgres.lock \
  --extra postgres --extra test --extra dev "$@"
