#!/usr/bin/env bash
# Puts the images that the tests use into the cluster's registry under their usual names: pause, busybox, the
# Debian base and the example image (../images/build.sh), and the job image of the project.
# `images.sh --job` makes and pushes the job image alone.
set -euo pipefail
. "$(dirname "$0")/env.sh"
export CONTAINERS_CONF="$HERE/../images/containers.conf"
. "$HERE/push.sh"
. "$HERE/job-image.sh"

have() { podman image exists "$1"; }
make_small() {
  local work; work=$(mktemp -d); trap 'rm -rf "$work"' RETURN
  cp /bin/busybox "$work/"
  if ! have docker.io/library/pause:dev; then
    printf 'FROM scratch\nCOPY busybox /bin/busybox\nENTRYPOINT ["/bin/busybox","sleep","2147483647"]\n' >"$work/Dockerfile"
    podman build -q --isolation chroot -t docker.io/library/pause:dev "$work" >/dev/null
  fi
  if ! have docker.io/library/busybox:latest; then
    printf 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\nCMD ["/bin/sh"]\n' >"$work/Dockerfile"
    podman build -q --isolation chroot -t docker.io/library/busybox:latest "$work" >/dev/null
  fi
}

if [ "${1:-}" != --job ]; then
  make_small
  "$HERE/../images/build.sh"
  for image in docker.io/library/pause:dev docker.io/library/busybox:latest docker.io/library/debian:bookworm-slim docker.io/zoo-runner/eo-tools:1; do
    push "$image"
  done
fi
build_job_image
push "$JOB_IMAGE"
