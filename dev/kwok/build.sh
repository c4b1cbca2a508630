#!/usr/bin/env bash
# Builds kwok, which plays the nodes of a cluster, from the Go module proxy (a minute, then cached by version);
# prints where it is. The servers of Kubernetes that it plays for are those of dev/cluster/build.sh.
set -euo pipefail
VERSION=0.8.0
BIN="${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/kwok/$VERSION"
if [ ! -x "$BIN/kwok" ]; then
  command -v go >/dev/null || { echo "kwok: Go 1.24 or newer is missing: see go.dev/doc/install" >&2; exit 1; }
  echo "kwok: building $VERSION" >&2
  mkdir -p "$BIN"
  GOBIN="$BIN" CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" "sigs.k8s.io/kwok/cmd/kwok@v$VERSION"
fi
echo "$BIN/kwok"
