#!/bin/sh
# As the official image's entry point, as far as compose.yaml uses it: an empty data folder gets a cluster with this
# user, password and database, and everything from elsewhere needs the password. Its socket is in /tmp: podman 4 gives
# the image's own folder, mounted in memory, to root alone.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # shellcheck disable=SC2086 # these are several arguments
  initdb --encoding UTF8 --username "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" --auth-local trust \
    --auth-host scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -j postgres
fi
exec "$@" -c "listen_addresses=*" -c "unix_socket_directories=$PGHOST"
