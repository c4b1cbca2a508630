# Sourced by every script here: where Argo Workflows lives and which version it has.
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ARGO_DIR="${ARGO_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/argo}"   # all state; delete it to start afresh
ARGO_VERSION=v4.0.5
ARGO_MODULE=github.com/argoproj/argo-workflows/v4
# programs are named by what they are made of: a cache kept between CI runs is used exactly when it fits
BUILD_KEY=$(cat "$HERE"/{go.mod,go.sum,tools.go,signal_linux.go,build.sh} | sha256sum | cut -c1-16)
BIN="$ARGO_DIR/bin/$BUILD_KEY"; RUN="$ARGO_DIR/run"; LOGS="$ARGO_DIR/logs"; SOURCE="$ARGO_DIR/source/$BUILD_KEY"
EXECUTOR_IMAGE="docker.io/zoo-runner/argoexec:$ARGO_VERSION-$BUILD_KEY"
ARGO_NAMESPACE="${ARGO_NAMESPACE:-argo}"; ARGO_PORT="${ARGO_PORT:-2746}"
mkdir -p "$BIN" "$RUN" "$LOGS"

say() { echo "argo: $*"; }
