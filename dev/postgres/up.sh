#!/usr/bin/env bash
# Starts a PostgreSQL for tests, once; further calls find it running. It listens on a Unix socket in this user's cache
# and nowhere else, so that it needs no password. With POSTGRES_URL set, that server is used and nothing is started.
# Stop it with: dev/postgres/up.sh stop
set -euo pipefail
[ -z "${POSTGRES_URL:-}" ] || exit 0
HOME_FOLDER=${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/postgres
DATA=$HOME_FOLDER/data
say() { echo "postgres: $*"; }

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)") || { say "PostgreSQL is missing" >&2; exit 1; }

# PostgreSQL refuses to run as root: a user namespace gives it another number for the same user
as_user() { if [ "$(id -u)" = 0 ]; then unshare --user --map-user=1000 --map-group=1000 "$@"; else "$@"; fi; }

if [ "${1:-}" = stop ]; then
  as_user "$bin/pg_ctl" --pgdata "$DATA" --mode fast --silent stop
  exit
fi
mkdir -p "$HOME_FOLDER" && chmod 700 "$HOME_FOLDER"
exec 9>"$HOME_FOLDER/lock" && flock 9
if [ -f "$DATA/PG_VERSION" ] && as_user "$bin/pg_ctl" --pgdata "$DATA" status >/dev/null; then exit 0; fi
if [ ! -f "$DATA/PG_VERSION" ]; then
  say "creating a database cluster (some seconds)"
  as_user "$bin/initdb" --pgdata "$DATA" --username tests --auth trust --encoding UTF8 --locale C --no-sync >/dev/null
fi
# the data are of tests: speed instead of durability
as_user "$bin/pg_ctl" --pgdata "$DATA" --log "$HOME_FOLDER/log" --silent --wait \
  --options "-c listen_addresses='' -c unix_socket_directories='$HOME_FOLDER' -c fsync=off -c max_connections=200" start 9>&-
say "up: POSTGRES_URL=postgresql://tests@/postgres?host=$HOME_FOLDER"
