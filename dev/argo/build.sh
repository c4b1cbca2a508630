#!/usr/bin/env bash
# Builds Argo Workflows (controller, executor, CLI with its server, no pages) from the Go module proxy: about 6 minutes
# of one core the first time, half a minute when Go's caches are warm, then cached by content.
set -euo pipefail
. "$(dirname "$0")/env.sh"
PROGRAMS="argoexec workflow-controller argo"
complete() { local name; for name in $PROGRAMS; do [ -x "$BIN/$name" ] || return 1; done; [ -d "$SOURCE/manifests" ]; }
complete && exit 0
command -v go >/dev/null || { say "Go 1.26 or newer is missing, and needed to build Argo Workflows: see go.dev/doc/install" >&2; exit 1; }

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cp "$HERE"/{go.mod,go.sum,tools.go} "$work/"
cd "$work"
module=$(go mod download -json "$ARGO_MODULE" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
rm -rf "$SOURCE"; mkdir -p "$SOURCE"; cp -r "$module/." "$SOURCE"; chmod -R u+w "$SOURCE"
# the published module lacks two files: one of the executor on Linux, and the page that the server embeds
cp "$HERE/signal_linux.go" "$SOURCE/workflow/executor/osspecific/"
mkdir -p "$SOURCE/ui/dist/app"; echo 'Argo Workflows without its pages' >"$SOURCE/ui/dist/app/index.html"
go mod edit -replace "$ARGO_MODULE=$SOURCE"
for program in $PROGRAMS; do
  [ -x "$BIN/$program" ] && continue
  say "building $program $ARGO_VERSION"
  CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w -X $ARGO_MODULE.version=$ARGO_VERSION" \
    -o "$BIN/$program.part" "$ARGO_MODULE/cmd/$program"
  mv "$BIN/$program.part" "$BIN/$program"
done
