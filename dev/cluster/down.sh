#!/usr/bin/env bash
# Stops the cluster by the process ids it recorded; containers first, so that none outlives its node.
set -u
. "$(dirname "$0")/env.sh"

stop() {
  local pid; pid=$(cat "$RUN/$1.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null
  tail --pid="$pid" -f /dev/null &
  local waiting=$!
  ( sleep 15; kill -9 "$pid" 2>/dev/null ) & local killer=$!
  wait $waiting; kill $killer 2>/dev/null; wait $killer 2>/dev/null
  rm -f "$RUN/$1.pid"
}

running() { [ -f "$RUN/$1.pid" ] && kill -0 "$(cat "$RUN/$1.pid")" 2>/dev/null; }
if running apiserver; then
  kubectl delete pods --all --all-namespaces --force --grace-period=0 --wait=false >/dev/null 2>&1
  sleep 2
fi
for name in volumes kubelet proxy scheduler controller-manager apiserver containerd etcd registry; do stop $name; done
for chain in OUTPUT FORWARD; do iptables -D $chain $STRAY 2>/dev/null; done
say "down"
