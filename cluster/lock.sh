#!/usr/bin/env bash
# Resolve pyproject.toml in an empty environment and pin the outcome, every file of each release by its hash.
#
#   requirements.lock        everything but torch, a section for serving and one for each extra: cluster/docker/locked.py
#   requirements-torch.lock  torch alone, without hashes: its builds for processors are other files under the same
#                            version, from an index of their own, and its usual builds bring CUDA's packages
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/resolved"
"${PYTHON:-python3}" -m venv "$folder/hashing"
pip=("$folder/resolved/bin/pip" --quiet --disable-pip-version-check)
"$folder/hashing/bin/pip" install --quiet --disable-pip-version-check uv
echo "# Made by \`make lock\`; do not edit. Installed with: pip install --require-hashes --no-deps -r requirements.lock" \
  >"$folder/lock"

# What is installed now and was not before: a section. Hashes are all that uv adds to it; it is told of a new Python
# because it would refuse what the oldest cannot run, async-timeout's opposite.
section() { # name
  echo "# for: $1" >>"$folder/lock"
  LC_ALL=C comm -13 "$folder/before" "$folder/now" >"$folder/pins"
  "$folder/hashing/bin/uv" pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate \
    --python-version 3.13 "$folder/pins" | sed -E 's/^(async-timeout==\S+)/\1 ; python_full_version < "3.11.3"/' \
    >>"$folder/lock"
  mv "$folder/now" "$folder/before"
}

# --all: with setuptools, which torch needs.
freeze() {
  "${pip[@]}" freeze --all | grep -vE '^(raybid|pip|torch|triton|nvidia-.*|cuda-.*)(==| @)' | LC_ALL=C sort >"$folder/now"
}

: >"$folder/before"
# torch first: with it in place its range installs nothing more.
"${pip[@]}" install --requirement requirements-torch.lock
"${pip[@]}" install .
freeze
# What redis needs of older Pythons, Debian 12's above all, where a newer one makes the lock.
grep -q '^async-timeout==' "$folder/now" || echo 'async-timeout==5.0.1' >>"$folder/now"
LC_ALL=C sort --output "$folder/now" "$folder/now"
section serving
"${pip[@]}" install ".[console]"
freeze
section console
"${pip[@]}" install ".[dev,console]" hatchling editables
freeze
section dev
mv "$folder/lock" requirements.lock
echo "requirements.lock: $(grep -c == requirements.lock) packages, $(grep -c -- --hash= requirements.lock) hashes"
