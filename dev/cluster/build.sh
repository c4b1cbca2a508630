#!/usr/bin/env bash
# Builds the Kubernetes servers, and kubectl where there is none, from the Go module proxy
# (about 5 minutes on 2 cores, then cached by content).
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$HERE"
build() {
  command -v go >/dev/null || { say "Go 1.24 or newer is missing, and needed to build $2: see go.dev/doc/install" >&2; exit 1; }
  say "building $2 $KUBE_VERSION"
  CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$1/$2.part" "k8s.io/kubernetes/cmd/$2"
  mv "$1/$2.part" "$1/$2"
}

flags="-s -w"
for setting in gitVersion=v$KUBE_VERSION gitMajor=1 gitMinor=34; do flags="$flags -X k8s.io/component-base/version.$setting"; done
for server in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
  [ -x "$BIN/$server" ] || build "$BIN" "$server"
done
# no Debian package of kubectl is new enough
command -v kubectl >/dev/null || build /usr/local/bin kubectl
