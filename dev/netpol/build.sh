#!/usr/bin/env bash
# Builds kube-router, which enforces NetworkPolicies, from the Go module proxy into this user's cache, once (three minutes
# of a core). tests/netpol.py runs it beside dev/cluster while a test needs it.
set -euo pipefail
cd "$(dirname "$0")"
# named by what it is made of: a cache kept between CI runs is used exactly when it fits
KEY=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
FOLDER=${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/netpol/$KEY
if [ ! -x "$FOLDER/kube-router" ]; then
  version=$(sed -n 's/.*kube-router\/v2 \(v[0-9.]*\).*/\1/p' go.mod)
  echo "netpol: building kube-router $version (three minutes)"
  mkdir -p "$FOLDER"
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" \
    -o "$FOLDER/kube-router.part" github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
  mv "$FOLDER/kube-router.part" "$FOLDER/kube-router"
fi
# tests find it by its plain name
ln -sfn "$KEY/kube-router" "${FOLDER%/*}/kube-router"
