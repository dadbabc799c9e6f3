#!/usr/bin/env bash
# Resolve pyproject.toml in an empty environment and pin the outcome in requirements.lock.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder"
# torch first: with it in place its range installs nothing more; its build tag (+cpu) is the machine's, not the lock's.
"$folder/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$folder/bin/pip" install --quiet --disable-pip-version-check ".[dev,console]" hatchling editables
{
  echo "# Made by \`make lock\`; do not edit. Installed with: pip install -r requirements.lock"
  {
    "$folder/bin/pip" freeze --disable-pip-version-check | grep -v '^raybid' | sed -E 's/\+[a-z0-9.]+$//'
    # What redis needs of older Pythons, Debian 12's above all, where a newer one makes the lock.
    echo 'async-timeout==5.0.1 ; python_full_version < "3.11.3"'
  } | LC_ALL=C sort --ignore-case --field-separator== --key=1,1
} >requirements.lock
echo "requirements.lock: $(grep -c == requirements.lock) packages"
