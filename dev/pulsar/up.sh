#!/usr/bin/env bash
# Starts an Apache Pulsar for tests, once; further calls find it running. It listens on this machine only, and with TLS where the
# pods of dev/cluster reach it, if that runs. It begins with new data each time, and is in this user's cache, with the tokens of its accounts `admin` and `reader` (who has no permissions)
# and the certificate of its TLS port. With PULSAR_URL set, that one is used and nothing is started.
# Stop it with: dev/pulsar/up.sh stop; `restart` stops it, and starts it again with what it has. (One
# that is killed leaves the place of its bookie in RocksDB, and writes it anew without end: most of a core.)
set -euo pipefail
[ -z "${PULSAR_URL:-}" ] || exit 0
VERSION=4.0.8
SHA256=35c7d064c9e0928edbf2e708989faba0379662f98aa84ce0d4190c59efb6765e
HERE=$(cd "$(dirname "$0")" && pwd)
FOLDER=${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/pulsar
# two of them on one machine have ports of their own, and folders (XDG_CACHE_HOME)
PORT=${PULSAR_PORT:-6655}
TLS_PORT=$((PORT + 1))
WEB_PORT=$((PORT + 2))
# always the same: a bookie that comes back at another port is another one, and the broker looks for the first for ever
BOOKIE_PORT=$((PORT + 3))
NODE_PORT=$((PORT + 4))
NODE_IP=10.240.0.1
say() { echo "pulsar: $*"; }

answers() { curl --silent --fail --max-time 5 --output /dev/null --header "Authorization: Bearer $(cat "$FOLDER/admin.token")" "http://127.0.0.1:$WEB_PORT/admin/v2/brokers/health"; }
# the number may be another program's since this machine was started anew
runs() { [ -f "$FOLDER/pid" ] && grep -qa pulsar "/proc/$(cat "$FOLDER/pid")/cmdline" 2>/dev/null; }
# a token of an account, as `pulsar tokens create` makes it, in a thirtieth of the time
sign() {
  encode() { base64 --wrap=0 | tr '+/' '-_' | tr -d =; }
  text=$(printf '{"alg":"HS256"}' | encode).$(printf '{"sub":"%s"}' "$1" | encode)
  printf '%s.%s' "$text" "$(printf %s "$text" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 "$FOLDER/secret" | tr -d ' \n')" -binary | encode)"
}

if [ "${1:-}" = stop ]; then
  if runs; then kill "$(cat "$FOLDER/pid")"; fi
  exit
fi
mkdir -p "$FOLDER" && chmod 700 "$FOLDER"
exec 9>"$FOLDER/lock" && flock 9
node_address="" node_listener=""
if grep -qwF "$NODE_IP" /proc/net/fib_trie; then
  node_address=node:pulsar+ssl://$NODE_IP:$NODE_PORT
  node_listener=,$node_address
fi
wanted=$(cat "$HERE/settings.conf" "$HERE/up.sh" - <<<"$PORT $node_address" | sha256sum)
if [ "${1:-}" = restart ] && runs; then kill "$(cat "$FOLDER/pid")"; tail --pid="$(cat "$FOLDER/pid")" --follow /dev/null; fi
if runs && answers && [ "$(cat "$FOLDER/wanted" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
if runs; then kill "$(cat "$FOLDER/pid")"; tail --pid="$(cat "$FOLDER/pid")" --follow /dev/null; fi

home=$FOLDER/apache-pulsar-$VERSION
if [ ! -d "$home" ]; then
  say "fetching Pulsar $VERSION (245 MB) by Maven"
  new=$(mktemp -d "$FOLDER/new.XXXX")
  trap 'rm -rf "$new"' EXIT
  mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    "-Dartifact=org.apache.pulsar:pulsar-server-distribution:$VERSION:tar.gz:bin" "-DoutputDirectory=$new"
  echo "$SHA256  $new/pulsar-server-distribution-$VERSION-bin.tar.gz" | sha256sum --check --quiet
  tar --extract --gzip --file="$new/pulsar-server-distribution-$VERSION-bin.tar.gz" --directory="$new"
  mv "$new/apache-pulsar-$VERSION" "$home"
fi
if [ "${1:-}" != restart ]; then
  rm -rf "$FOLDER/data" "$FOLDER/secret"
  (umask 077 && head --bytes=32 /dev/urandom >"$FOLDER/secret" && sign admin >"$FOLDER/admin.token" && sign reader >"$FOLDER/reader.token")
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:$NODE_IP" \
    -keyout "$FOLDER/tls.key" -out "$FOLDER/tls.pem" 2>/dev/null
  # later lines win
  { cat "$home/conf/standalone.conf" && echo
  sed -e "s|@FOLDER@|$FOLDER|" -e "s|@PORT@|$PORT|" -e "s|@TLS_PORT@|$TLS_PORT|" -e "s|@WEB_PORT@|$WEB_PORT|" \
    -e "s|@NODE_ADDRESS@|$node_address|" -e "s|@NODE_LISTENER@|$node_listener|" -e "s|@TOKEN@|$(cat "$FOLDER/admin.token")|" "$HERE/settings.conf"
  } >"$FOLDER/standalone.conf"
fi
say "starting (10 seconds)"
PULSAR_STANDALONE_CONF=$FOLDER/standalone.conf PULSAR_LOG_DIR=$FOLDER/logs PULSAR_LOG_LEVEL=warn \
  PULSAR_MEM="-Xms64m -Xmx512m -XX:MaxDirectMemorySize=256m" PULSAR_GC="-XX:+UseSerialGC" PULSAR_GC_LOG=" " \
  setsid "$home/bin/pulsar" standalone --no-functions-worker --no-stream-storage --bookkeeper-port "$BOOKIE_PORT" \
  --metadata-dir "$FOLDER/data/metadata" --bookkeeper-dir "$FOLDER/data/bookkeeper" >"$FOLDER/log" 2>&1 9>&- </dev/null &
echo $! >"$FOLDER/pid"
for _ in $(seq 240); do
  if answers; then
    echo "$wanted" >"$FOLDER/wanted"
    say "up: PULSAR_URL=pulsar://127.0.0.1:$PORT"
    exit 0
  fi
  runs || break
  sleep 0.5
done
tail -n 20 "$FOLDER/log" >&2
say "it did not start; its last lines are above" >&2
exit 1
