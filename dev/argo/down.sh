#!/usr/bin/env bash
# Stops what up.sh started, by the process ids it recorded. The controller does not end on a first SIGTERM.
set -u
. "$(dirname "$0")/env.sh"
for name in server controller; do
  pid=$(cat "$RUN/$name.pid" 2>/dev/null) || continue
  kill "$pid" 2>/dev/null
  timeout 2 tail --pid="$pid" -f /dev/null || kill -9 "$pid" 2>/dev/null
  rm -f "$RUN/$name.pid"
done
say "down"
