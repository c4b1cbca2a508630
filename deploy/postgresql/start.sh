#!/bin/sh
# Creates user and database at the first start, and serves them. What a start that was killed has left is made anew.
set -eu
: "${PGDATA:?}" "${POSTGRES_PASSWORD_FILE:?names a file with the password}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  new=$PGDATA.new
  rm -rf "$new"
  mkdir -p "$new"
  chmod 700 "$new"
  initdb --pgdata "$new" --username "$user" --pwfile "$POSTGRES_PASSWORD_FILE" --encoding UTF8 --locale C.UTF-8 \
    --auth-local trust --auth-host scram-sha-256 --data-checksums >/dev/null
  echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
  [ "$database" = postgres ] || echo "CREATE DATABASE \"$database\"" | postgres --single -D "$new" postgres >/dev/null
  # an empty folder that is there would take it in
  rmdir "$PGDATA" 2>/dev/null || true
  mv "$new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*'
