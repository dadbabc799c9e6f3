#!/usr/bin/env bash
# Asks a running Raybid whether it can bid, and for one bid that holds no money (`test`: 1).
#
#   cluster/kuberay/smoke.sh https://bid.example.com
#
# RAYBID_SMOKE_KEY: an exchange's key, where bids need one. SMOKE_SECONDS: how long to go on trying, 60 by default.
# Exit code 0: healthy, and the bid request was answered in time.
set -euo pipefail

url=${1:-}
if [ -z "$url" ]; then
  echo "smoke: name the URL of a running Raybid: cluster/kuberay/smoke.sh https://bid.example.com" >&2
  exit 2
fi
url=${url%/}
patience=${SMOKE_SECONDS:-60}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# The key goes to curl by its standard input: on the command line every process would see it.
ask() { # path, curl's further arguments -> status; the body is in $answer
  local path=$1
  shift
  {
    if [ -n "${RAYBID_SMOKE_KEY:-}" ]; then printf 'header = "X-API-Key: %s"\n' "$RAYBID_SMOKE_KEY"; fi
  } | curl --config - --silent --show-error --max-time 10 --output "$answer" --write-out '%{http_code}' "$@" "$url$path"
}

deadline=$((SECONDS + patience))
until [ "$(ask /health || true)" = 200 ]; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "smoke: $url/health was not 200 within $patience s; its last answer: $(head -c 500 "$answer")" >&2
    exit 1
  fi
  echo "smoke: waiting for $url/health" >&2
  sleep 2
done
echo "smoke: healthy: $(head -c 300 "$answer")"

request='{"id": "smoke", "test": 1, "at": 2, "tmax": 1000,
  "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.01}],
  "site": {"domain": "smoke.example"}, "device": {"devicetype": 2, "geo": {"country": "USA"}}}'
status=$(ask /openrtb2/bid --header 'Content-Type: application/json' --data "$request") || status="no answer"
case $status in
  200)
    if ! grep -q '"seatbid"' "$answer"; then
      echo "smoke: 200 without a seatbid: $(head -c 500 "$answer")" >&2
      exit 1
    fi
    echo "smoke: a bid"
    ;;
  204) echo "smoke: no bid, in time" ;;
  401) echo "smoke: bids need an exchange's key: set RAYBID_SMOKE_KEY" >&2 && exit 1 ;;
  *) echo "smoke: a bid request got $status: $(head -c 500 "$answer")" >&2 && exit 1 ;;
esac
