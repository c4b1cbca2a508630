#!/usr/bin/env bash
# Starts a Keycloak with the realm of realm.json for tests, once; further calls find it running. It listens on this
# machine only, begins with new data each time, and is in this user's cache. With KEYCLOAK_URL set, that server is used and
# nothing is started. Stop it with: dev/keycloak/up.sh stop
set -euo pipefail
[ -z "${KEYCLOAK_URL:-}" ] || exit 0
VERSION=26.4.7
SHA256=dd9834c023460be856f731423d86228c23b5d002194a2064642bec0cc6573eaa
HERE=$(cd "$(dirname "$0")" && pwd)
FOLDER=${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/keycloak
PORT=8480
BUILD=(--db=dev-file --features-disabled=kerberos)
say() { echo "keycloak: $*"; }

answers() { curl --silent --fail --max-time 5 --output /dev/null "http://127.0.0.1:$PORT/realms/eo/.well-known/openid-configuration"; }
# the number may be another program's since this machine was started anew
runs() { [ -f "$FOLDER/pid" ] && grep -qa keycloak "/proc/$(cat "$FOLDER/pid")/cmdline" 2>/dev/null; }

if [ "${1:-}" = stop ]; then
  if runs; then kill "$(cat "$FOLDER/pid")"; fi
  exit
fi
mkdir -p "$FOLDER" && chmod 700 "$FOLDER"
exec 9>"$FOLDER/lock" && flock 9
# a server that runs has the realm that it was started with
wanted=$(cat "$HERE/realm.json" "$HERE/up.sh" | sha256sum)
if runs && answers && [ "$(cat "$FOLDER/realm" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
if runs; then kill "$(cat "$FOLDER/pid")"; tail --pid="$(cat "$FOLDER/pid")" --follow /dev/null; fi

home=$FOLDER/keycloak-$VERSION
if [ ! -d "$home" ]; then
  say "fetching Keycloak $VERSION (150 MB) by Maven"
  new=$(mktemp -d "$FOLDER/new.XXXX")
  trap 'rm -rf "$new"' EXIT
  mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    "-Dartifact=org.keycloak:keycloak-quarkus-dist:$VERSION:zip" "-DoutputDirectory=$new"
  echo "$SHA256  $new/keycloak-quarkus-dist-$VERSION.zip" | sha256sum --check --quiet
  unzip -q -d "$new" "$new/keycloak-quarkus-dist-$VERSION.zip"
  mv "$new/keycloak-$VERSION" "$home"
fi
if [ "$(cat "$home/built" 2>/dev/null)" != "${BUILD[*]}" ]; then
  say "building it for this machine (half a minute)"
  JAVA_OPTS_KC_HEAP=-Xmx512m "$home/bin/kc.sh" build "${BUILD[@]}" >"$FOLDER/log" 2>&1
  echo "${BUILD[*]}" >"$home/built"
fi
rm -rf "$home/data" && mkdir -p "$home/data/import" && cp "$HERE/realm.json" "$home/data/import/realm.json"
say "starting (20 seconds)"
JAVA_OPTS_KC_HEAP="-Xms64m -Xmx512m" KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=only-for-tests \
  setsid "$home/bin/kc.sh" start --optimized --http-enabled=true --http-host=127.0.0.1 --http-port=$PORT \
  --hostname-strict=false --import-realm --cache=local --log-level=warn >"$FOLDER/log" 2>&1 9>&- </dev/null &
echo $! >"$FOLDER/pid"
for _ in $(seq 240); do
  if answers; then
    echo "$wanted" >"$FOLDER/realm"
    say "up: KEYCLOAK_URL=http://127.0.0.1:$PORT"
    exit 0
  fi
  runs || break
  sleep 0.5
done
tail -n 20 "$FOLDER/log" >&2
say "it did not start; its last lines are above" >&2
exit 1
