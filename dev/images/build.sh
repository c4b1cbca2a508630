#!/usr/bin/env bash
# Builds the images that the example packages name, with podman:
#
#   docker.io/library/debian:bookworm-slim   pulled; made by debootstrap (as root) where no registry answers
#   docker.io/zoo-runner/eo-tools:1          Dockerfile.eo-tools on top of it
#
# An image that exists is left alone; `build.sh --rebuild` makes eo-tools anew.
# Packages needed on Debian: podman runc conmon, and debootstrap for the case without a registry.
set -euo pipefail
cd "$(dirname "$0")"
export CONTAINERS_CONF="$PWD/containers.conf"
. ./project.sh

BASE=docker.io/library/debian:bookworm-slim
EO_TOOLS=docker.io/zoo-runner/eo-tools:1
PULL_TIMEOUT_SECONDS=${PULL_TIMEOUT_SECONDS:-60}

say() { echo "images: $*"; }
need() { command -v "$1" >/dev/null || { say "$1 is missing; install the Debian package '$1' and start again" >&2; exit 1; }; }

make_base() {
  local work
  [ "$(id -u)" = 0 ] || { say "debootstrap needs root; start again as root or where a registry answers" >&2; exit 1; }
  need debootstrap
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  say "no registry answered for $BASE: making it with debootstrap (about a minute)"
  if ! debootstrap --variant=minbase --include=ca-certificates,procps bookworm "$work/rootfs" >"$work/log" 2>&1; then
    tail -n 5 "$work/log" >&2
    say "debootstrap failed; the lines above say why" >&2
    return 1
  fi
  chmod 1777 "$work/rootfs/tmp"
  rm -rf "$work/rootfs/var/cache/apt/archives" "$work"/rootfs/var/lib/apt/lists/*
  tar -C "$work/rootfs" -c . | podman import --quiet --change 'CMD ["bash"]' - "$BASE" >/dev/null
}

need podman
if podman image exists "$BASE"; then
  say "$BASE is there"
elif timeout "$PULL_TIMEOUT_SECONDS" podman pull --quiet "$BASE" >/dev/null 2>&1; then
  say "$BASE pulled"
else
  make_base
  say "$BASE made"
fi

if [ "${1:-}" != --rebuild ] && podman image exists "$EO_TOOLS"; then
  say "$EO_TOOLS is there"
else
  say "$EO_TOOLS takes a minute or two: 250 Debian packages"
  build_image "$EO_TOOLS" . -f Dockerfile.eo-tools
  say "$EO_TOOLS built"
fi
podman images --format 'images: {{.Repository}}:{{.Tag}}  {{.Size}}' | grep -F -e "${BASE%:*}" -e "${EO_TOOLS%:*}"
